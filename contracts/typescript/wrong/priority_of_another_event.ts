// expect: TS2367
import type { ClassCreated } from "../notifications.js";

export function isUrgent(notification: ClassCreated): boolean {
  return notification.data.priority === "critical";
}
