"""The control API, by whatever way it is called.

Names, parameters and answers are those of bluesky-queueserver, as far as its clients use them and they make sense here;
what does not is refused with the reason. The methods ``flowlab_…`` are flowlab's own.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowlab.daemon.desk import Desk
from flowlab.daemon.locks import Lock
from flowlab.daemon.method import Answer, Method, Office, refusal
from flowlab.daemon.methods import METHODS
from flowlab.errors import BadInputError, FlowlabError

logger = logging.getLogger(__name__)


class Api:
    """What can be called.

    Args:
        desk: the daemon.
        lock_file: where a lock outlives the daemon; None keeps it in memory.

    Raises:
        FlowlabError: the lock's file cannot be read.
    """

    def __init__(self, desk: Desk, lock_file: Path | None = None):
        self._office = Office(desk, Lock(lock_file))

    async def call(self, method: str, params: Mapping[str, Any]) -> Answer:
        """Do what is asked.

        Returns:
            ``success``, ``msg`` (why not; empty where all is well) and what was asked for. ``kind`` is ``bad_input``
            where the question itself is wrong.
        """
        found = METHODS.get(method)
        try:
            if found is None:
                raise BadInputError(f"there is no method {method!r:.60}; there are {', '.join(sorted(METHODS))}")
            answer = await self._answer(method, found, params)
        except FlowlabError as error:
            answer = refusal(error)
        except Exception as error:
            # A fault of ours costs this answer, and not the daemon, which may be heating.
            logger.exception("%.60r failed", method)
            answer = {"success": False, "msg": f"{method}: fault in flowlab: {type(error).__name__}: {error}"}
        who = params.get("user", "somebody")
        if not answer["success"]:
            logger.warning("%.60r by %.60r refused: %s", method, who, answer["msg"])
        elif found is not None and found.changes:
            logger.info("%s by %.60r", method, who)
        return answer

    async def _answer(self, name: str, method: Method, params: Mapping[str, Any]) -> Answer:
        given = method.bind(name, params)
        if method.lock is not None:
            key = params.get("lock_key")
            if key is not None and not isinstance(key, str):
                raise BadInputError(f"{name}: lock_key must be text")
            self._office.lock.require(method.lock, key)
        return {"success": True, "msg": "", **(await method.call(self._office, **given) or {})}
