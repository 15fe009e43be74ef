import { applyNullInsertThreshold, type DataFrame, EventBusSrv, type Field, FieldType, formattedValueToString,
  getFieldColorModeForField, getFieldDisplayName, getFieldSeriesColor } from "@grafana/data";
import { type PanelContext, PanelContextProvider, SeriesVisibilityChangeMode, TimeSeries, TooltipPlugin2,
  type UPlotConfigBuilder, useTheme2 } from "@grafana/ui";
import { useLayoutEffect, useMemo, useRef, useState } from "react";

import type { DrawingProps } from "../PanelView.tsx";
import { setTimes } from "../Toolbar.tsx";
import { drawMarks, marksNear } from "./marks.ts";
import { useStructureRev } from "./structure.ts";
import { Tooltip } from "./Tooltip.tsx";

/** One name for all panels of the page: the pointer in one is shown in the others. */
export const SYNC_SCOPE = "__global_";

const asNumber = (value: unknown) =>
  typeof value === "boolean" ? Number(value) : Number.isFinite(value) ? (value as number) : null;

/**
 * Frames that lines can be drawn of: those with a time and a number, with a null wherever a step has no sample, so that
 * no line crosses a gap. The library would do this for the first frame only.
 */
export function graphable(frames: DataFrame[], hidden: Set<string>, from: number, to: number): DataFrame[] {
  return frames.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === FieldType.time);
    const numbers = frame.fields.filter(({ type }) => type === FieldType.number || type === FieldType.boolean);
    if (!time || !numbers.length || !frame.length) return [];
    const fields = [time, ...numbers].map((field): Field => {
      // The library writes into the settings of fields: it gets copies.
      const custom = { ...field.config.custom };
      if (hidden.has(getFieldDisplayName(field, frame, frames))) custom.hideFrom = { ...custom.hideFrom, viz: true };
      const config = { ...field.config, custom };
      const copy = { ...field, config, state: { ...field.state } };
      return field === time ? copy : { ...copy, type: FieldType.number, values: field.values.map(asNumber) };
    });
    const drawn = { ...frame, fields };
    return [applyNullInsertThreshold({ frame: drawn, refFieldPseudoMin: from, refFieldPseudoMax: to })];
  });
}

function OnPlot({ config, hooks }: { config: UPlotConfigBuilder; hooks: (config: UPlotConfigBuilder) => void }) {
  useLayoutEffect(() => hooks(config), [config]);
  return null;
}

/** Lines, bars or points over time. */
export function TimeSeriesPanel({ panel, frames, shown, marks, graphTooltip, width, height }: DrawingProps) {
  const theme = useTheme2();
  const [hidden, setHidden] = useState(new Set<string>());
  const { range, timeZone } = shown;
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const drawn = useMemo(() => graphable(frames, hidden, from, to), [frames, hidden, from, to]);
  const structureRev = useStructureRev(drawn);
  const { legend, tooltip } = panel.options;
  const now = useRef({ marks, theme });
  now.current = { marks, theme };

  const names = drawn.flatMap((frame) =>
    frame.fields.slice(1).map((field) => getFieldDisplayName(field, frame, drawn))
  );
  function toggle(name: string, mode: SeriesVisibilityChangeMode) {
    const others = names.filter((one) => one !== name);
    const alone = !hidden.has(name) && others.every((one) => hidden.has(one));
    const withOrWithout = hidden.has(name) ? [...hidden].filter((one) => one !== name) : [...hidden, name];
    const isAdded = mode === SeriesVisibilityChangeMode.AppendToSelection;
    setHidden(new Set(isAdded ? withOrWithout : alone ? [] : others));
  }
  const eventBus = useMemo(() => new EventBusSrv(), []);
  const context: PanelContext = { eventsScope: SYNC_SCOPE, eventBus, sync: () => graphTooltip,
    onToggleSeriesVisibility: toggle };
  if (!drawn.length) return <p className="words">{panel.fieldConfig.defaults.noValue}</p>;

  function lines(aligned: DataFrame, indexes: (number | null)[], only: number | null) {
    const found = aligned.fields.flatMap((field, index) => {
      const at = indexes[index];
      const { hideFrom } = field.config.custom ?? {};
      if (index === 0 || at == null || hideFrom?.viz || hideFrom?.tooltip) return [];
      if (tooltip.mode === "single" && index !== only) return [];
      const value = field.values[at];
      if (value == null || (tooltip.hideZeros && value === 0)) return [];
      const display = field.display!(value);
      const byValue = getFieldColorModeForField(field).isByValue;
      const color = byValue ? display.color : getFieldSeriesColor(field, theme).color;
      return [{ color, label: getFieldDisplayName(field, aligned, drawn), value: formattedValueToString(display),
        numeric: value }];
    });
    const order = tooltip.sort === "desc" ? -1 : 1;
    return tooltip.sort === "none" ? found : found.sort((a, b) => order * (a.numeric - b.numeric));
  }
  return (<PanelContextProvider value={context}>
    <TimeSeries frames={drawn} structureRev={structureRev} timeRange={range} timeZone={timeZone} width={width}
      height={height} legend={legend} options={panel.options}>
      {(config, aligned) => (<>
        <OnPlot config={config}
          hooks={(builder) =>
            builder.addHook("draw", (plot) => drawMarks(plot, now.current.marks, now.current.theme))} />
        {tooltip.mode !== "none"
          && (<TooltipPlugin2 config={config} hoverMode={tooltip.mode === "single" ? 0 : 1} syncMode={graphTooltip}
            syncScope={SYNC_SCOPE} queryZoom={(zoom) => setTimes(zoom.from, zoom.to)} getDataLinks={(series, row) =>
            aligned.fields[series]?.getLinks?.({ valueRowIndex: row }) ?? []}
            render={(plot, indexes, only, pinned, _dismiss, _range, viaSync, links) => (<>
              <Tooltip time={aligned.fields[0].values[indexes[0] ?? 0]} timeZone={timeZone}
                lines={lines(aligned, indexes, viaSync ? null : only)} marks={marksNear(plot, marks)} />
              {pinned
                && links.map((
                  link
                ) => (<a key={link.href} className="tooltip" href={link.href} target={link.target}>{link.title}</a>))}
            </>)} />)}
      </>)}
    </TimeSeries>
  </PanelContextProvider>);
}
