import { renderTextPanelMarkdown } from "@grafana/data";
import { useMemo } from "react";

import { fillAt } from "../../core/panels.ts";
import type { DrawingProps } from "../PanelView.tsx";

/** Markdown; HTML in it is kept, scripts are not. */
export function TextPanel({ panel, shown, width, height }: DrawingProps) {
  const filled = fillAt(shown)(panel.options.content);
  const html = useMemo(() => renderTextPanelMarkdown(filled), [filled]);
  return (<div className="markdown-html" style={{ width, height, overflow: "auto" }}
    dangerouslySetInnerHTML={{ __html: html }} />);
}
