import { BarGauge, useTheme2 } from "@grafana/ui";

import type { DrawingProps } from "../PanelView.tsx";
import { Values } from "./Values.tsx";

const LEAST_ROOM = 24;

/** A bar a value. */
export function BarGaugePanel(props: DrawingProps) {
  const theme = useTheme2();
  const { displayMode, namePlacement, showUnfilled, text, valueMode } = props.panel.options;
  return (
    <Values {...props} sparkline={false} leastRoom={LEAST_ROOM}
      render={({ value, count: _, ...place }, opening) => (
        <BarGauge {...place} {...opening} value={value.display} field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)} displayMode={displayMode}
          namePlacement={namePlacement} showUnfilled={showUnfilled} text={text} valueDisplayMode={valueMode}
          isOverflow={false} theme={theme} />
      )} />
  );
}
