export function createStrip(root, page) {
  return { update(changed) {} };
}
