// expect: TS2339
import type { Notification } from "../notifications.js";

export function batch(notification: Notification): string | null {
  return notification.data.batch_id;
}
