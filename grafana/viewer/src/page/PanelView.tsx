import { type DataFrame, LoadingState, renderMarkdown } from "@grafana/data";
import { ErrorBoundary, PanelChrome, useTheme2 } from "@grafana/ui";
import { type ComponentType, memo, useEffect, useRef, useState } from "react";
import { useMeasure } from "react-use";

import type { Panel } from "../core/dashboard.ts";
import { askPanel, fillAt, type Mark, preparePanel } from "../core/panels.ts";
import { PrometheusAway, QueryError } from "../core/prometheus.ts";
import { addressWith, changeAddress } from "./address.ts";
import type { Shown } from "./BoardPage.tsx";
import { HeatmapPanel } from "./panels/HeatmapPanel.tsx";
import { StateTimelinePanel } from "./panels/StateTimelinePanel.tsx";
import { TablePanel } from "./panels/TablePanel.tsx";
import { TextPanel } from "./panels/TextPanel.tsx";
import { TimeSeriesPanel } from "./panels/TimeSeriesPanel.tsx";
import { BarGaugePanel, StatPanel } from "./panels/Values.tsx";
import { useAwaySince } from "./surroundings.ts";
import { say } from "./words.ts";

/** What a drawing of a panel gets. */
export interface DrawingProps {
  panel: Panel;
  frames: DataFrame[];
  shown: Shown;
  marks: Mark[];
  graphTooltip: number;
  width: number;
  height: number;
}

const drawings: Record<string, ComponentType<DrawingProps>> = { bargauge: BarGaugePanel, heatmap: HeatmapPanel,
  stat: StatPanel, "state-timeline": StateTimelinePanel, table: TablePanel, text: TextPanel,
  timeseries: TimeSeriesPanel };

/** These say in their own way that there is nothing. */
const drawsNothing = new Set(["stat", "text"]);

/** Asks what a panel shows whenever the moment changes, and gives the moment too. After an error the last frames stay. */
function usePanelData(panel: Panel, shown: Shown, width: number) {
  const theme = useTheme2();
  const [data, setData] = useState<{ frames?: DataFrame[]; of?: Shown; error?: Error }>({});
  const running = useRef<{ scope: string; abort: AbortController }>();
  const known = width > 0;
  useEffect(() => {
    const scope = `${theme.name} ${shown.scope}`;
    // A refresh waits for the one before it: else a slow Prometheus would never come to answer.
    if (!known || running.current?.scope === scope) return;
    running.current?.abort.abort();
    const mine = { scope, abort: new AbortController() };
    running.current = mine;
    const ask = async () => {
      const answers = await askPanel(panel, shown, width, mine.abort.signal);
      const frames = await preparePanel(answers, panel, shown, theme);
      if (running.current === mine) setData({ frames, of: shown });
    };
    ask().catch((error: Error) => {
      if (running.current === mine) setData((before) => ({ ...before, error }));
    }).finally(() => {
      if (running.current === mine) running.current = undefined;
    });
  }, [panel, shown, known, theme]);
  useEffect(() => () => {
    running.current?.abort.abort();
    running.current = undefined;
  }, []);
  return data;
}

type Props = Omit<DrawingProps, "frames" | "width" | "height">;

/** One panel: its frame, and in it the drawing, or words where there is nothing to draw. */
export const PanelView = memo(function PanelView({ panel, shown, marks, graphTooltip }: Props) {
  const [ref, size] = useMeasure<HTMLDivElement>();
  const [width, height] = [Math.floor(size.width), Math.floor(size.height)];
  const { frames, of = shown, error } = usePanelData(panel, shown, width);
  const away = useAwaySince();
  const fill = fillAt(shown);
  const Drawing = drawings[panel.type];
  const hasQueries = panel.targets.length > 0;
  const loading = hasQueries && !frames && !error;
  const blind = hasQueries && (away !== undefined || error !== undefined);
  const state = !hasQueries ? "text" : blind ? (frames ? "stale" : "silent") : loading ? "loading" : "drawn";

  function body(innerWidth: number, innerHeight: number) {
    if (!Drawing) return <Words text={say("unknownKind", { type: panel.type })} />;
    if (error instanceof QueryError && !frames) return <Words text={`${say("refused")} ${error.message}`} />;
    if (error && !(error instanceof PrometheusAway) && !frames) return <Words text={error.message} />;
    if (hasQueries && !frames) return blind ? <Words text={say("silent")} /> : null;
    const empty = !frames?.some(({ length }) => length > 0);
    if (empty && !drawsNothing.has(panel.type)) {
      return <Words text={panel.fieldConfig.defaults.noValue ?? say("noData")} />;
    }
    const drawing = { panel, frames: frames ?? [], shown: of, marks, graphTooltip };
    return (<ErrorBoundary dependencies={[frames]}>
      {({ error: broken }) =>
        broken ? <Words text={broken.message} /> : <Drawing {...drawing} width={innerWidth} height={innerHeight} />}
    </ErrorBoundary>);
  }
  const items = (panel.links ?? []).map((
    link
  ) => (<a key={link.title} href={fill(link.url ?? "")} rel="noreferrer"
    target={link.targetBlank ? "_blank" : undefined}>
    {fill(link.title)}
  </a>));
  const only = { viewPanel: `${panel.id}` };
  const title = <a className="title" title={say("viewPanel")} href={addressWith(only)} onClick={(event) => {
    if (event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    changeAddress(only);
  }}>
    {fill(panel.title ?? "", undefined, "text")}
  </a>;
  return (<div ref={ref} className="panel" data-panel={panel.id} data-kind={panel.type} data-state={state}>
    {width > 0
      && (<PanelChrome width={width} height={height} title={panel.title ? title : ""}
        description={panel.description && (() => renderMarkdown(fill(panel.description ?? "")))}
        displayMode={panel.transparent ? "transparent" : "default"}
        padding={panel.type === "table" || panel.type === "stat" ? "none" : "md"} titleItems={items}
        loadingState={loading ? LoadingState.Loading : LoadingState.Done}
        statusMessage={error && away === undefined ? error.message : undefined}>
        {body}
      </PanelChrome>)}
  </div>);
});

const Words = ({ text }: { text: string }) => <p className="words">{text}</p>;
