export function createQueue(root, page) {
  return { update(changed) {} };
}
