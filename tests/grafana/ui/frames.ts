// What a Prometheus answers, as the data frames that Grafana's data source makes of it.
import {
  createDataFrame,
  type DataFrame,
  type Field,
  FieldType,
  getDisplayProcessor,
  getFieldDisplayName,
  type GrafanaTheme2,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

export interface Series {
  metric: Record<string, string>;
  values: Array<[number, string]>;
}
export interface Panel {
  id: number;
  type: string;
  title: string;
  description: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Array<{ refId: string; legendFormat: string; format: string }>;
  fieldConfig: { defaults: any; overrides: any[] };
  options: any;
  transformations?: any[];
}

const { mergeTransformer, organizeFieldsTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() =>
  [mergeTransformer, organizeFieldsTransformer].map(
    (found) =>
      ({ id: found.id, name: found.name, transformation: () => Promise.resolve(found) }) as any
  )
);

const legend = (format: string, labels: Record<string, string>) =>
  format.replace(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? '').trim();

function timeSeries(target: NonNullable<Panel['targets']>[0], series: Series[]): DataFrame[] {
  return series.map(({ metric, values }) =>
    createDataFrame({
      refId: target.refId,
      fields: [
        { name: 'Time', type: FieldType.time, values: values.map(([at]) => at * 1000) },
        {
          name: 'Value',
          type: FieldType.number,
          labels: metric,
          values: values.map(([, value]) => Number(value)),
          config: { displayNameFromDS: legend(target.legendFormat, metric) },
        },
      ],
    })
  );
}

function table(refId: string, series: Series[], several: boolean): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return createDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: series.map((s) => s.values[0][0] * 1000) },
      ...labels.map((name) => ({
        name,
        type: FieldType.string,
        values: series.map((s) => s.metric[name] ?? ''),
      })),
      {
        name: several ? `Value #${refId}` : 'Value',
        type: FieldType.number,
        values: series.map((s) => Number(s.values[0][1])),
      },
    ],
  });
}

function put(config: any, id: string, value: unknown) {
  const path = id.split('.');
  const last = path.pop()!;
  const inner = path.reduce((at, key) => (at[key] = { ...at[key] }), config);
  inner[last] = value;
}

function configured(frame: DataFrame, panel: Panel, all: DataFrame[], theme: GrafanaTheme2) {
  const fields = frame.fields.map((field: Field, index) => {
    const config = structuredClone({ ...panel.fieldConfig.defaults, ...field.config });
    for (const { matcher, properties } of panel.fieldConfig.overrides) {
      const name = getFieldDisplayName(field, frame, all);
      const named = { byName: name, byType: field.type, byFrameRefID: frame.refId };
      const wanted = named[matcher.id as keyof typeof named];
      if (wanted === matcher.options && field.type !== FieldType.time) {
        properties.forEach(({ id, value }: any) => put(config, id, value));
      }
    }
    const made: Field = { ...field, config, state: { ...field.state, seriesIndex: index } };
    return made;
  });
  return { ...frame, fields };
}

export async function frames(
  panel: Panel,
  answers: Series[][],
  theme: GrafanaTheme2
): Promise<DataFrame[]> {
  const targets = panel.targets ?? [];
  let found = targets.flatMap((target, i) =>
    target.format === 'table'
      ? [table(target.refId, answers[i], targets.length > 1)]
      : timeSeries(target, answers[i])
  );
  if (panel.transformations) {
    found = await firstValueFrom(transformDataFrame(panel.transformations, found));
  }
  const done = found.map((frame) => configured(frame, panel, found, theme));
  let series = 0;
  for (const frame of done) {
    for (const field of frame.fields) {
      if (field.type === FieldType.number) {
        field.state = { ...field.state, seriesIndex: series++ };
      }
      field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
    }
  }
  return done;
}
