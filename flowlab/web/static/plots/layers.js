// What a plot shows is a list of layers, drawn on uPlot's canvas between its axes:
//
//   {line: true, x, y, err?, low?, high?, colour, width?, dash?, alpha?, lift?}   a curve; its band y ± err, or low…high
//   {points: true, x, y, err?, colour, sign?, joined?}   points with bars y ± err
//   {steps: true, edges, y, colour}                      a histogram
//   {span: [low, high], text?}                           a shaded range of x
//   {mark: x, text?, colour, dash?}                      a line across, with its name at the top
//
// x and y are arrays of numbers; what is nan or null is not drawn, nor is, on a logarithmic axis, what is not above zero.
// A colour is a function, so that it follows the theme. `bare`: without its band; `sure`: a value of a larger error does
// not stretch the axis.

const TAU = 2 * Math.PI;

export function drawAll(ctx, layers, place) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(place.left, place.top, place.width, place.height);
  ctx.clip();
  ctx.lineJoin = "bevel"; // round ones cost most of the time of drawing
  drawSpans(ctx, layers, place);
  for (const layer of layers) {
    ctx.globalAlpha = layer.alpha ?? 1;
    if (layer.line) drawLine(ctx, layer, place);
    else if (layer.points) drawPoints(ctx, layer, place);
    else if (layer.steps) drawSteps(ctx, layer, place);
  }
  ctx.globalAlpha = 1;
  drawMarks(ctx, layers, place);
  ctx.restore();
}

// Names stand at the bottom, beneath what is seen of their range; where there is no room, one above the other.
function drawSpans(ctx, layers, place) {
  const spans = layers.filter((layer) => layer.span).sort((a, b) => a.span[0] - b.span[0]);
  ctx.font = place.font;
  ctx.textBaseline = "bottom";
  ctx.textAlign = "center";
  const ends = [];
  for (const {
    span: [low, high],
    text,
  } of spans) {
    const from = Math.max(place.x(low), place.left);
    const to = Math.min(place.x(high), place.left + place.width);
    if (!(from < to)) continue;
    ctx.fillStyle = place.faint;
    ctx.fillRect(from, place.top, to - from, place.height);
    if (!text) continue;
    const half = ctx.measureText(text).width / 2 + 3 * place.ratio;
    const row = freeRow(ends, (from + to) / 2 - half, (from + to) / 2 + half);
    ctx.fillStyle = place.ink;
    ctx.fillText(text, (from + to) / 2, place.top + place.height - (3 + 13 * row) * place.ratio);
  }
}

// The first row whose texts end before `left`; this one then ends there at `right`.
function freeRow(ends, left, right) {
  let row = ends.findIndex((end) => end < left);
  if (row < 0) row = ends.length;
  ends[row] = right;
  return row;
}

// Indices, first and behind the last, of what is seen of sorted x, and one more at either side.
function seen(x, place) {
  let [from, to] = [0, x.length];
  if (to < 3 || !(x[to - 1] > x[0])) return [from, to];
  while (from < to - 1 && x[from + 1] < place.low) from += 1;
  while (to > from + 1 && x[to - 2] > place.high) to -= 1;
  return [from, to];
}

function drawLine(ctx, layer, place) {
  const { x, y, err, lift = 0 } = layer;
  const [from, to] = seen(x, place);
  const colour = layer.colour();
  // Of more than two points for each column of the screen some are left out: no eye sees them.
  const step = Math.max(1, Math.floor((to - from) / (2 * place.width)));
  if ((err && !layer.bare) || layer.low) {
    const edges = layer.low
      ? { low: (i) => layer.low[i], high: (i) => layer.high[i] }
      : { low: (i) => y[i] - err[i], high: (i) => y[i] + err[i] };
    const alpha = ctx.globalAlpha;
    ctx.globalAlpha = 0.22 * alpha;
    ctx.fillStyle = colour;
    const coarse = to - from > place.width ? 2 * step : 1;
    for (const [first, behind] of runs(edges, from, to)) fillBand(ctx, layer, edges, place, first, behind, coarse);
    ctx.globalAlpha = alpha;
  }
  ctx.beginPath();
  let drawing = false;
  for (let i = from; i < to; i += step) {
    const at = place.y(y[i] + lift);
    if (y[i] === null || !Number.isFinite(at)) drawing = false;
    else if (drawing) ctx.lineTo(place.x(x[i]), at);
    else {
      ctx.moveTo(place.x(x[i]), at);
      drawing = true;
    }
  }
  stroke(ctx, layer, place, colour);
}

function stroke(ctx, { width = 1.3, dash = [] }, place, colour) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width * place.ratio;
  ctx.setLineDash(dash.map((length) => length * place.ratio));
  ctx.stroke();
  ctx.setLineDash([]);
}

// Where both edges of a band are known without a gap.
function* runs({ low, high }, from, to) {
  let first = -1;
  for (let i = from; i <= to; i += 1) {
    const known = i < to && Number.isFinite(low(i)) && Number.isFinite(high(i));
    if (known && first < 0) first = i;
    else if (!known && first >= 0) {
      if (i - first > 1) yield [first, i];
      first = -1;
    }
  }
}

function fillBand(ctx, { x, lift = 0 }, { low, high }, place, from, to, step) {
  ctx.beginPath();
  for (let i = from; i < to; i += step) ctx.lineTo(place.x(x[i]), place.inside(high(i) + lift));
  for (let i = to - 1; i >= from; i -= step) ctx.lineTo(place.x(x[i]), place.inside(low(i) + lift));
  ctx.fill();
}

function drawPoints(ctx, layer, place) {
  const { x, y, err, sign = "●" } = layer;
  const colour = layer.colour();
  if (layer.joined) {
    ctx.beginPath();
    let drawing = false;
    for (let i = 0; i < x.length; i += 1) {
      if (!isKnown(y[i])) continue;
      if (drawing) ctx.lineTo(place.x(x[i]), place.y(y[i]));
      else ctx.moveTo(place.x(x[i]), place.y(y[i]));
      drawing = true;
    }
    stroke(ctx, { width: 1, dash: layer.dash }, place, colour);
  }
  ctx.beginPath();
  const cap = 3 * place.ratio;
  for (let i = 0; err && i < x.length; i += 1) {
    if (!isKnown(y[i]) || !(err[i] > 0)) continue;
    const [at, low, high] = [place.x(x[i]), place.inside(y[i] - err[i]), place.inside(y[i] + err[i])];
    ctx.moveTo(at, low);
    ctx.lineTo(at, high);
    for (const end of [low, high]) {
      ctx.moveTo(at - cap, end);
      ctx.lineTo(at + cap, end);
    }
  }
  stroke(ctx, { width: 1.2 }, place, colour);
  ctx.fillStyle = colour;
  for (let i = 0; i < x.length; i += 1) {
    if (isKnown(y[i])) drawSign(ctx, sign, place.x(x[i]), place.y(y[i]), 3.6 * place.ratio);
  }
}

function isKnown(value) {
  return value !== null && Number.isFinite(value);
}

function drawSign(ctx, sign, x, y, r) {
  ctx.beginPath();
  if (sign === "▲") {
    ctx.moveTo(x, y - 1.2 * r);
    ctx.lineTo(x + 1.2 * r, y + r);
    ctx.lineTo(x - 1.2 * r, y + r);
  } else if (sign === "■") ctx.rect(x - r, y - r, 2 * r, 2 * r);
  else if (sign === "▼") {
    ctx.moveTo(x, y + 1.2 * r);
    ctx.lineTo(x + 1.2 * r, y - r);
    ctx.lineTo(x - 1.2 * r, y - r);
  } else if (sign === "◆") {
    ctx.moveTo(x, y - 1.3 * r);
    ctx.lineTo(x + 1.3 * r, y);
    ctx.lineTo(x, y + 1.3 * r);
    ctx.lineTo(x - 1.3 * r, y);
  } else ctx.arc(x, y, r, 0, TAU);
  ctx.fill();
}

function drawSteps(ctx, layer, place) {
  const { edges, y } = layer;
  ctx.fillStyle = layer.colour();
  for (let i = 0; i < y.length; i += 1) {
    if (!Number.isFinite(y[i])) continue;
    const [left, right, top] = [place.x(edges[i]), place.x(edges[i + 1]), place.y(y[i])];
    ctx.fillRect(left, top, right - left, place.y(0) - top);
  }
}

// Names of lines across stand side by side; where there is no room, one below the other.
function drawMarks(ctx, layers, place) {
  ctx.font = place.font;
  ctx.textBaseline = "top";
  const ends = [];
  const marks = layers.filter((layer) => "mark" in layer).sort((a, b) => a.mark - b.mark);
  const isSeen = ({ mark }) => mark >= place.low && mark <= place.high;
  for (const layer of marks.filter(isSeen)) {
    const at = place.x(layer.mark);
    ctx.beginPath();
    ctx.moveTo(at, place.top);
    ctx.lineTo(at, place.top + place.height);
    stroke(ctx, { width: 1, dash: layer.dash ?? [4, 3] }, place, layer.colour());
  }
  for (const layer of marks.filter((each) => isSeen(each) && each.text)) {
    const at = place.x(layer.mark);
    const width = ctx.measureText(layer.text).width;
    const room = 4 * place.ratio;
    const left = at + room + width > place.left + place.width ? at - room - width : at + room;
    const row = freeRow(ends, left, left + width + room);
    const top = place.top + room + row * 15 * place.ratio;
    ctx.globalAlpha = 0.8;
    ctx.fillStyle = place.ground;
    ctx.fillRect(left - 2, top - 1, width + 4, 14 * place.ratio);
    ctx.globalAlpha = 1;
    ctx.textAlign = "left";
    ctx.fillStyle = place.ink;
    ctx.fillText(layer.text, left, top);
  }
}

// The least and greatest of what layers hold between two x, with errors of points; [inf, -inf] where there is nothing.
export function reach(layers, low, high, log) {
  let [bottom, top] = [Infinity, -Infinity];
  const take = (value) => {
    if (log && !(value > 0)) return;
    if (value < bottom) bottom = value;
    if (value > top) top = value;
  };
  for (const layer of layers) {
    const { x = layer.edges, y, err, lift = 0, sure = Infinity } = layer;
    if (!y) continue;
    const bars = layer.points && err;
    for (let i = 0; i < y.length; i += 1) {
      if (y[i] === null || !(x[i] >= low && x[i] <= high) || (err && (err[i] > sure || (log && y[i] < err[i]))))
        continue;
      take(y[i] + lift);
      if (bars && err[i] > 0) {
        take(y[i] + err[i]);
        take(y[i] - err[i]);
      }
    }
  }
  return [bottom, top];
}
