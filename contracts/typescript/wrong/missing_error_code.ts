// expect: TS2345
import type { GoingAwayReason } from "../notifications.js";

export function pause(reason: GoingAwayReason): number {
  switch (reason.error_code) {
    case "SERVICE_SHUTDOWN":
      return 1000;
    default:
      return unreachable(reason.error_code);
  }
}

function unreachable(value: never): never {
  throw new Error(String(value));
}
