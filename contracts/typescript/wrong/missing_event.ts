// expect: TS2345
import type { NotificationOf } from "../notifications.js";

export function phase(notification: NotificationOf<"batch_nlp_completed" | "batch_spellcheck_completed">): string {
  switch (notification.event) {
    case "batch_nlp_completed":
      return "language";
    default:
      return unreachable(notification);
  }
}

function unreachable(value: never): never {
  throw new Error(String(value));
}
