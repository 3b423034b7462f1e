// expect: TS2345
import { isNotification } from "../notifications.js";
import type { Notification } from "../notifications.js";

declare function show(notification: Notification): void;

export function received(value: unknown): void {
  if (!isNotification(value)) show(value);
}
