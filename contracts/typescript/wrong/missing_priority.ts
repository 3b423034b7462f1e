// expect: TS2741
import type { Priority } from "../notifications.js";

export const COLOURS: Record<Priority, string> = {
  critical: "red",
  immediate: "orange",
  high: "yellow",
  standard: "white",
};
