// In place of react-inlinesvg, which fetches each icon from Grafana's server: the icons are in the bundle.
import { createElement, useEffect } from "react";
import icons from "viewer:icons";

/** Draws the icon whose path ends `src`; an unknown one leaves its room empty. */
export default function InlineSvg({ src, innerRef, title, loader, onLoad, onError, ...rest }) {
  useEffect(() => onLoad?.(src), [src]);
  const name = src.slice(src.indexOf("img/icons/") + "img/icons/".length);
  const icon = icons[name] ?? { viewBox: "0 0 24 24", shape: "" };
  const shape = (title ? `<title>${title.replace(/[&<]/g, (sign) => `&#${sign.charCodeAt(0)};`)}</title>` : "")
    + icon.shape;
  return createElement("svg", { ...rest, ref: innerRef, viewBox: icon.viewBox,
    dangerouslySetInnerHTML: { __html: shape } });
}
