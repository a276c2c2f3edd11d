export function createMiniSpectrum(root, page) {
  return { update(changed) {} };
}
