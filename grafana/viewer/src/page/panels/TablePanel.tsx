import { getFrameDisplayName } from "@grafana/data";
import { TableNG } from "@grafana/ui/unstable";
import { useState } from "react";

import type { DrawingProps } from "../PanelView.tsx";
import { useStructureRev } from "./structure.ts";

const CHOICE_HEIGHT = 32;

/** One frame as a table; where there are several, the reader chooses. */
export function TablePanel({ panel, frames, shown, width, height }: DrawingProps) {
  const [chosen, setChosen] = useState(0);
  const structureRev = useStructureRev(frames);
  const { options } = panel;
  const several = frames.length > 1;
  const frame = frames[Math.min(chosen, frames.length - 1)];
  return (<>
    <TableNG key={chosen} data={frame} width={width} height={several ? height - CHOICE_HEIGHT : height}
      cellHeight={options.cellHeight} noHeader={!options.showHeader} initialSortBy={options.sortBy}
      enablePagination={options.enablePagination} frozenColumns={options.frozenColumns?.left}
      fieldConfig={panel.fieldConfig} timeRange={shown.range} structureRev={structureRev} disableKeyboardEvents />
    {several
      && (<select value={chosen} onChange={(event) => setChosen(Number(event.target.value))}>
        {frames.map((one, index) => <option key={index} value={index}>{getFrameDisplayName(one, index)}</option>)}
      </select>)}
  </>);
}
