export function createLog(root, page) {
  return { update(changed) {} };
}
