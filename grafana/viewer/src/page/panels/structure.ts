import { compareArrayValues, compareDataFrameStructures, type DataFrame } from "@grafana/data";
import { useRef } from "react";

/** Counts up only when the frames have other fields than before: Grafana's drawings are made anew then, and only then. */
export function useStructureRev(frames: DataFrame[]): number {
  const last = useRef({ frames, rev: 1 });
  if (frames !== last.current.frames) {
    const same = compareArrayValues(last.current.frames, frames, compareDataFrameStructures);
    last.current = { frames, rev: last.current.rev + (same ? 0 : 1) };
  }
  return last.current.rev;
}
