export function createMiniMap(root, page) {
  return { update(changed) {} };
}
