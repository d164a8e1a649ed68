//! What kind of push this is, in Apple's words, and what each kind asks of credentials, priority
//! and payload.
//!
//! <https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns>

use schemars::JsonSchema;
use serde::Deserialize;

/// The value of `apns-push-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PushType {
    /// Anything visible: an alert, a sound or a badge. The usual choice for Matrix.
    Alert,
    /// Wakes the app without showing anything; always sent with priority 5.
    Background,
    /// A call (`PushKit`); the topic ends in `.voip`, and the app must report a call at once.
    Voip,
    /// A watch face; the topic ends in `.complication`.
    Complication,
    /// A file provider; the topic ends in `.pushkit.fileprovider`.
    Fileprovider,
    /// Mobile device management; only with a certificate.
    Mdm,
    /// A live activity; the topic ends in `.push-type.liveactivity`; only with a provider token.
    Liveactivity,
    /// A location query; the topic ends in `.location-query`; only with a provider token.
    Location,
    /// Push to talk; the topic ends in `.voip-ptt`.
    Pushtotalk,
    /// A control; the topic ends in `.push-type.controls`.
    Controls,
    /// A widget; the topic ends in `.push-type.widgets`.
    Widgets,
}

impl PushType {
    /// Returns the header's value.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Voip => "voip",
            Self::Complication => "complication",
            Self::Fileprovider => "fileprovider",
            Self::Mdm => "mdm",
            Self::Liveactivity => "liveactivity",
            Self::Location => "location",
            Self::Pushtotalk => "pushtotalk",
            Self::Controls => "controls",
            Self::Widgets => "widgets",
        }
    }

    /// Returns how many bytes a payload may have.
    // "Generating a remote notification": 5 KB for VoIP, 4 KB for all other notifications.
    pub(super) const fn payload_limit(this: Option<Self>) -> usize {
        match this {
            Some(Self::Voip) => 5120,
            _ => 4096,
        }
    }

    /// Whether Apple takes this type only with a provider token.
    pub(super) const fn needs_token(self) -> bool {
        matches!(self, Self::Liveactivity | Self::Location)
    }

    /// Whether Apple takes this type only with a certificate.
    pub(super) const fn needs_certificate(self) -> bool {
        matches!(self, Self::Mdm)
    }
}
