//! The websocket service.
