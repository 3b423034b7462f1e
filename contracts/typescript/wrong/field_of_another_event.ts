// expect: TS2339
import type { Notification } from "../notifications.js";

export function filename(notification: Notification): string {
  return notification.event === "class_created" ? notification.data.filename : "";
}
