// expect: TS2322
import type { BatchResultsReady } from "../notifications.js";

export function total(notification: BatchResultsReady): string {
  return notification.data.total_essays;
}
