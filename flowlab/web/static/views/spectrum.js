export function createSpectrum(root, page) {
  return { update(changed) {} };
}
