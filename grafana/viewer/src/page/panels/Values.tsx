import { type DisplayValueAlignmentFactors, type FieldDisplay, getDisplayValueAlignmentFactors } from "@grafana/data";
import { BarGauge, BigValue, DataLinksContextMenu, useTheme2, VizRepeater,
  type VizRepeaterRenderValueProps } from "@grafana/ui";
import type { MouseEventHandler, ReactElement } from "react";

import { singleValues } from "../../core/fields.ts";
import { fillAt } from "../../core/panels.ts";
import type { DrawingProps } from "../PanelView.tsx";

/** Opens the links of a value, where it has some. */
type Opening = { onClick?: MouseEventHandler<HTMLElement>; className?: string };
type Repeated = VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>;

interface Props extends DrawingProps {
  sparkline: boolean;
  autoGrid?: boolean;
  leastRoom?: number;
  render: (value: Repeated, opening: Opening) => ReactElement;
}

/** The single values of a panel beside or below each other, all in letters of one size. */
function Values({ panel, frames, shown, width, height, sparkline, autoGrid, leastRoom, render }: Props) {
  const theme = useTheme2();
  return (<VizRepeater<FieldDisplay, DisplayValueAlignmentFactors> width={width} height={height} source={frames}
    renderCounter={0} orientation={panel.options.orientation} autoGrid={autoGrid} minVizHeight={leastRoom}
    minVizWidth={leastRoom}
    getValues={() => singleValues(frames, panel, theme, shown.timeZone, fillAt(shown), sparkline)}
    getAlignmentFactors={getDisplayValueAlignmentFactors} renderValue={(repeated) => {
    const { hasLinks, getLinks } = repeated.value;
    if (!hasLinks || !getLinks) return render(repeated, {});
    return (<DataLinksContextMenu links={() => getLinks()}>
      {({ openMenu, targetClassName }) => render(repeated, { onClick: openMenu, className: targetClassName })}
    </DataLinksContextMenu>);
  }} />);
}

/** Big values, each with its colour, and a line behind it where the panel asks for one. */
export function StatPanel(props: DrawingProps) {
  const theme = useTheme2();
  const { colorMode, graphMode, justifyMode, text, textMode, wideLayout } = props.panel.options;
  return (<Values {...props} sparkline={graphMode !== "none"} autoGrid
    render={({ value, orientation: _, ...place },
      opening) => (<BigValue {...place} {...opening} value={value.display} sparkline={value.sparkline}
        hasLinks={value.hasLinks} colorMode={colorMode} graphMode={graphMode} justifyMode={justifyMode}
        textMode={textMode} text={text} disableWideLayout={!wideLayout} theme={theme} />)} />);
}

const LEAST_ROOM = 24;

/** A bar a value. */
export function BarGaugePanel(props: DrawingProps) {
  const theme = useTheme2();
  const { displayMode, namePlacement, showUnfilled, text, valueMode } = props.panel.options;
  return (<Values {...props} sparkline={false} leastRoom={LEAST_ROOM}
    render={({ value, count: _, ...place },
      opening) => (<BarGauge {...place} {...opening} value={value.display} field={value.field}
        display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)} displayMode={displayMode}
        namePlacement={namePlacement} showUnfilled={showUnfilled} text={text} valueDisplayMode={valueMode}
        isOverflow={false} theme={theme} />)} />);
}
