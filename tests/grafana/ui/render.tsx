// Draws one dashboard, given as `window.BOARD`, with Grafana's own components.
import 'uplot/dist/uPlot.min.css';
import {
  createTheme,
  type DataFrame,
  dateTime,
  getFieldDisplayValues,
  ThemeContext,
  type TimeRange,
  VizOrientation,
} from '@grafana/data';
import {
  BarGauge,
  BigValue,
  GlobalStyles,
  PanelChrome,
  PanelContextProvider,
  TimeSeries,
  VizRepeater,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import React from 'react';
import { createRoot } from 'react-dom/client';

import { frames, type Panel, type Series } from './frames';
import { StateTimeline } from './timeline';

declare global {
  interface Window {
    BOARD: {
      title: string;
      description: string;
      panels: Panel[];
      answers: Record<number, Series[][]>;
      from: number;
      to: number;
      width: number;
    };
  }
}

const CELL_HEIGHT = 30;
const GAP = 8;
const theme = createTheme({ colors: { mode: 'dark' } });

function Values({ panel, data, width, height }: any) {
  const bars = panel.type === 'bargauge';
  const getValues = () =>
    getFieldDisplayValues({
      fieldConfig: panel.fieldConfig,
      reduceOptions: panel.options.reduceOptions,
      replaceVariables: (text: string) => text,
      theme,
      data,
      sparkline: panel.options.graphMode !== 'none',
    });
  const renderValue = ({ value, width, height, orientation, count }: any) =>
    bars ? (
      <BarGauge
        {...{ width, height, theme, orientation }}
        field={value.field}
        value={value.display}
        display={value.view?.getFieldDisplayProcessor(value.colIndex)}
        displayMode={panel.options.displayMode}
        showUnfilled
      />
    ) : (
      <BigValue
        {...{ width, height, theme, count }}
        value={value.display}
        colorMode={panel.options.colorMode}
        graphMode={panel.options.graphMode}
        justifyMode={panel.options.justifyMode}
        textMode={count > 1 ? 'value_and_name' : 'value'}
        sparkline={value.sparkline}
        wideLayout
      />
    );
  return (
    <VizRepeater
      {...{ getValues, renderValue, width, height }}
      source={data}
      renderCounter={1}
      itemSpacing={3}
      autoGrid={!bars}
      orientation={bars ? VizOrientation.Horizontal : VizOrientation.Auto}
    />
  );
}

function Content({ panel, data, width, height, range }: any) {
  if (data.every((frame: DataFrame) => frame.length === 0)) {
    return <Nothing text={panel.fieldConfig.defaults.noValue} height={height} />;
  }
  switch (panel.type) {
    case 'stat':
    case 'bargauge':
      return <Values {...{ panel, data, width, height }} />;
    case 'timeseries':
      return (
        <TimeSeries
          {...{ width, height }}
          frames={data}
          structureRev={1}
          timeRange={range}
          timeZone="utc"
          legend={panel.options.legend}
          options={panel.options}
        />
      );
    case 'table':
      return (
        <TableNG
          {...{ width, height }}
          data={data[0]}
          sortBy={panel.options.sortBy}
          enableVirtualization={false}
          cellHeight={panel.options.cellHeight}
        />
      );
    case 'state-timeline':
      return <StateTimeline {...{ data, width, height, range, theme }} />;
    default:
      return <div>{panel.options.content}</div>;
  }
}

const Nothing = ({ text, height }: { text: string; height: number }) => (
  <div style={{ height, display: 'grid', placeItems: 'center', color: theme.colors.text.secondary }}>
    {text}
  </div>
);

const Heading = ({ panel }: { panel: Panel }) => (
  <div style={{ font: `500 16px ${theme.typography.fontFamily}`, padding: '4px 0' }}>
    ⌄ {panel.title}
  </div>
);

async function main() {
  const board = window.BOARD;
  const cell = (board.width - 2 * GAP) / 24;
  const [from, to] = [dateTime(board.from * 1000), dateTime(board.to * 1000)];
  const range: TimeRange = { from, to, raw: { from, to } };
  const shown = await Promise.all(
    board.panels.map(async (panel) => {
      const { x, y, w, h } = panel.gridPos;
      const [width, height] = [w * cell - GAP, h * (CELL_HEIGHT + GAP) - GAP];
      const data = panel.type === 'row' ? [] : await frames(panel, board.answers[panel.id], theme);
      return (
        <div
          key={panel.id}
          style={{
            position: 'absolute',
            left: GAP + x * cell,
            top: 56 + y * (CELL_HEIGHT + GAP),
            width,
            height,
          }}
        >
          {panel.type === 'row' ? (
            <Heading panel={panel} />
          ) : (
            <PanelChrome {...{ width, height }} title={panel.title} description={panel.description}>
              {(width, height) => <Content {...{ panel, data, width, height, range }} />}
            </PanelChrome>
          )}
        </div>
      );
    })
  );
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PanelContextProvider value={{ eventBus: noEvents, eventsScope: '', app: 'dashboard' } as any}>
        <div style={{ background: theme.colors.background.canvas, position: 'absolute', inset: 0 }}>
          <div style={{ padding: '12px 12px', font: `500 20px ${theme.typography.fontFamily}` }}>
            {board.title}
            <span style={{ color: theme.colors.text.secondary, fontSize: 14, paddingLeft: 16 }}>
              {board.description}
            </span>
          </div>
          {shown}
        </div>
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
}

const noEvents = {
  publish() {},
  getStream: () => ({ subscribe: () => ({ unsubscribe() {} }), pipe: () => noEvents.getStream() }),
  subscribe: () => ({ unsubscribe() {} }),
  removeAllListeners() {},
  newScopedBus: () => noEvents,
} as any;

main();
