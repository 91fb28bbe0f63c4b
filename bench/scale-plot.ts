import type { ScalePoint } from './scale.ts';

const SIZE = { width: 760, height: 300, left: 46, bottom: 40, top: 34, gap: 60 };
const PANEL = (SIZE.width - 2 * SIZE.left - SIZE.gap + 30) / 2;

/** Two panels, CPU and memory by number of VMs, each with the line it may not cross. */
export function scalePlot(points: readonly ScalePoint[]): string {
  const most = Math.max(...points.map(({ vms }) => vms));
  const cpu = panel(0, most, {
    title: 'CPU, % of one core (sample every 2 s)',
    values: points.map(({ vms, cpu: y }) => ({ x: vms, y })),
    // 0.5 ms per VM and sample.
    limit: (vms) => (vms * 0.5) / 20,
  });
  const memory = panel(1, most, {
    title: 'resident memory, MB',
    values: points.map(({ vms, residentMb: y }) => ({ x: vms, y })),
    limit: (vms) => 60 + (vms * 60) / 1024,
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" font-family="sans-serif" font-size="12">
  <title>CPU and memory of statd by the number of VMs</title>
<rect width="100%" height="100%" fill="#fff"/>
${cpu}
${memory}
</svg>
`;
}

interface Panel {
  title: string;
  values: { x: number; y: number }[];
  limit(vms: number): number;
}

function panel(index: number, most: number, { title, values, limit }: Panel): string {
  const left = SIZE.left + index * (PANEL + SIZE.gap);
  const bottom = SIZE.height - SIZE.bottom;
  const top = Math.max(limit(most), ...values.map(({ y }) => y)) * 1.1;
  const x = (vms: number): number => round(left + (vms / most) * PANEL);
  const y = (value: number): number => round(bottom - (value / top) * (bottom - SIZE.top));
  const line = values.map((point) => `${x(point.x)},${y(point.y)}`).join(' ');
  const dots = values.map((p) => `<circle cx="${x(p.x)}" cy="${y(p.y)}" r="3" fill="#1f5fa8"/>`);
  const step = niceStep(top);
  const ticks = Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step).map(
    (value) =>
      `<path d="M${left} ${y(value)}h${PANEL}" stroke="#e4e4e4"/><text x="${left - 6}" y="${y(value) + 4}" text-anchor="end" fill="#444">${value}</text>`,
  );
  const below = values
    .filter(({ x: vms }) => vms === 1 || vms >= most / 5)
    .map(
      ({ x: vms }) =>
        `<text x="${x(vms)}" y="${bottom + 16}" text-anchor="middle" fill="#444">${vms}</text>`,
    );
  return [
    `<text x="${left}" y="18" fill="#111">${title}</text>`,
    ...ticks,
    ...below,
    `<text x="${left + PANEL / 2}" y="${bottom + 33}" text-anchor="middle" fill="#444">VMs</text>`,
    `<path d="M${x(0)} ${y(limit(0))}L${x(most)} ${y(limit(most))}" stroke="#b03030" stroke-dasharray="5 4"/>`,
    `<text x="${left + PANEL}" y="${y(limit(most)) - 6}" text-anchor="end" fill="#b03030">limit</text>`,
    `<polyline points="${line}" fill="none" stroke="#1f5fa8" stroke-width="2"/>`,
    ...dots,
  ].join('\n');
}

/** 1, 2 or 5 times a power of ten, for four to eight lines. */
function niceStep(top: number): number {
  const power = 10 ** Math.floor(Math.log10(top / 4));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => top / step <= 8) ?? power * 10;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
