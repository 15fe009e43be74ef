import { BigValue, useTheme2 } from "@grafana/ui";

import type { DrawingProps } from "../PanelView.tsx";
import { Values } from "./Values.tsx";

/** Big values, each with its colour, and a line behind it where the panel asks for one. */
export function StatPanel(props: DrawingProps) {
  const theme = useTheme2();
  const { colorMode, graphMode, justifyMode, text, textMode, wideLayout } = props.panel.options;
  return (
    <Values {...props} sparkline={graphMode !== "none"} autoGrid
      render={({ value, orientation: _, ...place }, opening) => (
        <BigValue {...place} {...opening} value={value.display} sparkline={value.sparkline} hasLinks={value.hasLinks}
          colorMode={colorMode} graphMode={graphMode} justifyMode={justifyMode} textMode={textMode} text={text}
          disableWideLayout={!wideLayout} theme={theme} />
      )} />
  );
}
