export function createSaxs(root, page) {
  return { update(changed) {} };
}
