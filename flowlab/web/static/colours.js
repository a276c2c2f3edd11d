// Colours that the page shares with reports: the numbers of flowlab/colours.py; a test holds both together.

// Conditions, above all temperatures, from low to high.
export const TEMPERATURE = [
  "#0d0887", "#2e0595", "#48039f", "#6001a6", "#7501a8", "#8b0aa5", "#a01a9c", "#b22b8f", "#c13b82",
  "#cf4c74", "#dc5d67", "#e76e5b", "#f0804e", "#f89441", "#fca934", "#febe2a", "#fbd724",
]; // prettier-ignore

// Heights, from none to the greatest.
export const HEIGHT = [
  "#440154", "#48186a", "#472d7b", "#424086", "#3b528b", "#33638d", "#2c728e", "#26828e", "#21918c",
  "#1fa088", "#28ae80", "#3fbc73", "#5ec962", "#84d44b", "#addc30", "#d8e219", "#fde725",
]; // prettier-ignore

// What was measured: clusters and crystals by absorption, and both by SAXS; and what is neither, or not known.
export const SERIES = {
  cluster: "#7a3f9d",
  exciton: "#b5541d",
  saxs: "#2f7d5b",
  artefact: "#6b6b6b",
  unknown: "#4f6478",
};

// [red, green, blue] at a part, 0…1, of a scale.
export function mixed(points, part) {
  const at = Math.min(1, Math.max(0, part)) * (points.length - 1);
  const i = Math.min(points.length - 2, Math.floor(at));
  const [low, high] = [rgb(points[i]), rgb(points[i + 1])];
  return low.map((value, k) => Math.round(value + (at - i) * (high[k] - value)));
}

function rgb(hex) {
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

export function css([red, green, blue]) {
  return `rgb(${red} ${green} ${blue})`;
}

// The same colour where the ground is dark: nearer to white, so that it is seen.
export function lighter(hex) {
  return css(rgb(hex).map((value) => Math.round(value + 0.45 * (255 - value))));
}
