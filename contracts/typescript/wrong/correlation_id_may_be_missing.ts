// expect: TS2322
import type { QuotaExceededReason } from "../notifications.js";

export function quote(reason: QuotaExceededReason): string {
  return reason.correlation_id;
}
