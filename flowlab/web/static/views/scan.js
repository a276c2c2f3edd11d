export function createScan(root, page) {
  return { update(changed) {} };
}
