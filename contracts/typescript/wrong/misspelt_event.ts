// expect: TS2678
import type { Notification } from "../notifications.js";

export function isFile(notification: Notification): boolean {
  switch (notification.event) {
    case "batch_file_uploaded":
      return true;
    default:
      return false;
  }
}
