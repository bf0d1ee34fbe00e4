// Stands in for Grafana's state timeline, which is a plugin of the server and in no package: the
// values, names and colours are those that Grafana's own display processor gives.
import { type DataFrame, FieldType, getFieldDisplayName, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import React from 'react';

const NAMES = 230;
const AXIS = 20;

interface Props {
  data: DataFrame[];
  width: number;
  height: number;
  range: TimeRange;
  theme: GrafanaTheme2;
}

function bands(frame: DataFrame) {
  const time = frame.fields.find((field) => field.type === FieldType.time)!;
  const value = frame.fields.find((field) => field.type === FieldType.number)!;
  const found: Array<{ from: number; to: number; color: string }> = [];
  const ats: number[] = time.values;
  const step = Math.min(...ats.slice(1).map((at, i) => at - ats[i])); // a gap may be the first
  ats.forEach((at, i) => {
    const color = value.display!(value.values[i]).color!;
    const last = found[found.length - 1];
    if (last && last.color === color && at - last.to <= step) {
      last.to = at + step;
    } else {
      found.push({ from: at, to: at + step, color });
    }
  });
  return { name: getFieldDisplayName(value, frame), found };
}

export function StateTimeline({ data, width, height, range, theme }: Props) {
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const x = (at: number) => ((Math.min(at, to) - from) / (to - from)) * (width - NAMES);
  const row = (height - AXIS) / data.length;
  const text = { fill: theme.colors.text.secondary, fontSize: 12 };
  const hours = (to - from) / 3600e3;
  const tick = hours > 12 ? 3 * 3600e3 : 3600e3;
  const ticks: number[] = [];
  for (let at = Math.ceil(from / tick) * tick; at < to; at += tick) {
    ticks.push(at);
  }
  return (
    <svg width={width} height={height} fontFamily={theme.typography.fontFamily}>
      {data.map(bands).map(({ name, found }, i) => (
        <g key={i} transform={`translate(0, ${i * row})`}>
          <text {...text} x={NAMES - 8} y={row / 2 + 4} textAnchor="end">
            {name}
          </text>
          {found.map((band, j) => (
            <rect
              key={j}
              x={NAMES + x(band.from)}
              width={Math.max(1, x(band.to) - x(band.from))}
              y={row * 0.08}
              height={row * 0.84}
              fill={band.color}
              fillOpacity={0.75}
            />
          ))}
        </g>
      ))}
      {ticks.map((at) => (
        <text {...text} key={at} x={NAMES + x(at)} y={height - 4} textAnchor="middle">
          {new Date(at).toISOString().slice(11, 16)}
        </text>
      ))}
    </svg>
  );
}
