import { type DisplayValueAlignmentFactors, type FieldDisplay, getDisplayValueAlignmentFactors } from "@grafana/data";
import { DataLinksContextMenu, useTheme2, VizRepeater, type VizRepeaterRenderValueProps } from "@grafana/ui";
import type { MouseEventHandler, ReactElement } from "react";

import { singleValues } from "../../core/fields.ts";
import { fillAt } from "../../core/panels.ts";
import type { DrawingProps } from "../PanelView.tsx";

/** Opens the links of a value, where it has some. */
export interface Opening {
  onClick?: MouseEventHandler<HTMLElement>;
  className?: string;
}

interface Props extends DrawingProps {
  sparkline: boolean;
  autoGrid?: boolean;
  leastRoom?: number;
  render: (value: VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>,
    opening: Opening) => ReactElement;
}

/** The single values of a panel beside or below each other, all in letters of one size. */
export function Values({ panel, frames, shown, width, height, sparkline, autoGrid, leastRoom, render }: Props) {
  const theme = useTheme2();
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors> width={width} height={height} source={frames}
      renderCounter={0} orientation={panel.options.orientation} autoGrid={autoGrid} minVizHeight={leastRoom}
      minVizWidth={leastRoom}
      getValues={() => singleValues(frames, panel, theme, shown.timeZone, fillAt(shown), sparkline)}
      getAlignmentFactors={getDisplayValueAlignmentFactors} renderValue={(repeated) => {
      const { hasLinks, getLinks } = repeated.value;
      if (!hasLinks || !getLinks) return render(repeated, {});
      return (
        <DataLinksContextMenu links={() => getLinks()}>
          {({ openMenu, targetClassName }) => render(repeated, { onClick: openMenu, className: targetClassName })}
        </DataLinksContextMenu>
      );
    }} />
  );
}
