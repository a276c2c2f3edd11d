export function createReactor(root, page) {
  return { update(changed) {} };
}
