import { renderTextPanelMarkdown, textUtil } from "@grafana/data";
import { useMemo } from "react";

import { fillAt } from "../../core/panels.ts";
import type { DrawingProps } from "../PanelView.tsx";

/** Markdown, HTML without scripts, or text as it is. */
export function TextPanel({ panel, shown, width, height }: DrawingProps) {
  const { mode, content } = panel.options;
  const filled = fillAt(shown)(content);
  const html = useMemo(
    () => (mode === "html" ? textUtil.sanitizeTextPanelContent(filled) : renderTextPanelMarkdown(filled)),
    [mode, filled]
  );
  if (mode === "code") return <pre style={{ width, height, overflow: "auto" }}>{filled}</pre>;
  return (<div className="markdown-html" style={{ width, height, overflow: "auto" }}
    dangerouslySetInnerHTML={{ __html: html }} />);
}
