// expect: TS2345
import type { BatchValidationFailed } from "../notifications.js";

export function deadline(notification: BatchValidationFailed): number {
  return Date.parse(notification.data.deadline);
}
