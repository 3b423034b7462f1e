// expect: TS2322
import type { BatchResultsReady } from "../notifications.js";

export function status(notification: BatchResultsReady): { status: string } {
  return notification.data.phase_results["spellcheck"];
}
