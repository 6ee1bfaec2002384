//! The files that are made from the wire types: TypeScript for the web app, and the OpenAPI description.

use ts_rs::{Config, TS};

use super::{
    ApiErrorBody, ApiErrorDetail, AuditPage, AuditView, AuditWord, AvailabilityEvent, AvailabilityWord,
    Board, BoardBus, BoardLine, BoardScan, Catalogue, CatalogueBusWord, CatalogueEntry, CatalogueKindWord,
    CatalogueProperty, CatalogueSetting, CatalogueWire, CauseKind, CauseView, ClientChange, ClientCredential,
    ClientMade, ClientRequest, ClockEvent, Configuration, ConfigurationChange, ConfigurationChanged,
    ConfigurationCheck, ConfigurationCheckRequest, ConfigurationDevice, ConfigurationFinding,
    ConfigurationUnconfirmed, ConfigurationVersionText, ConfigurationVersionView, ConfigurationVersions,
    DemoFaultRequest, DemoFaultWord, DemoInputRequest, Device, EventKindWord, FoundCandidate, FoundThing,
    GapWord, Gateway, Health, HistoryBefore, HistoryEvent, HistoryEvents, HistoryGap, HistoryMoment,
    HistoryNotRecorded, HistoryNotice, HistoryPoint, HistorySeries, HistorySeriesInfo, HistoryStatus,
    HistoryText, HistoryTexts, HistoryValue, HistoryWear, HolderWord, House, KindWord, LineDirectionWord,
    LoginRequest, MessageView, MqttConnectionView, MqttConnections, OnlineEvent, Pairing, PairingPorts,
    PairingRequest, PassedMessages, PayloadWord, People, Property, PublishRequest, QualityWord, Reading,
    ReadingEvent, ResultEvent, RetainedMessages, RightsView, RoleWord, Scalar, ScannedBus, ScopeWord,
    Session, SessionUser, SetAccepted, SetRequest, SetupRequest, TokenMade, TokenRequest, TokenView, Tokens,
    UserChange, UserPropertyView, UserRequest, UserView, Warning, WarningWord,
};

/// Name and content of every generated file, in the order of their names.
///
/// # Errors
/// When a type cannot be written as TypeScript, or the description not as JSON.
pub fn generated_files() -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    // Every whole number of the API stays below 2^53, so that JavaScript's number holds it.
    let config = Config::new().with_large_int("number");
    let mut files = Vec::new();
    let mut index = "// Made from crates/dashboard/src/wire.rs. Do not edit.\n".to_owned();
    macro_rules! write_types {
        ($($name:ident),* $(,)?) => {$(
            let name = <$name as TS>::ident(&config);
            index.push_str(&format!("export type {{ {name} }} from \"./{name}\";\n"));
            files.push((format!("{name}.ts"), <$name as TS>::export_to_string(&config)?));
        )*};
    }
    write_types!(
        ApiErrorBody,
        ApiErrorDetail,
        AuditPage,
        AuditView,
        AuditWord,
        AvailabilityEvent,
        AvailabilityWord,
        Board,
        BoardBus,
        BoardLine,
        BoardScan,
        Catalogue,
        CatalogueBusWord,
        CatalogueEntry,
        CatalogueKindWord,
        CatalogueProperty,
        CatalogueSetting,
        CatalogueWire,
        CauseKind,
        CauseView,
        ClientChange,
        ClientCredential,
        ClientMade,
        ClientRequest,
        ClockEvent,
        Configuration,
        ConfigurationChange,
        ConfigurationChanged,
        ConfigurationCheck,
        ConfigurationCheckRequest,
        ConfigurationDevice,
        ConfigurationFinding,
        ConfigurationUnconfirmed,
        ConfigurationVersionText,
        ConfigurationVersionView,
        ConfigurationVersions,
        DemoFaultRequest,
        DemoFaultWord,
        DemoInputRequest,
        Device,
        EventKindWord,
        FoundCandidate,
        FoundThing,
        GapWord,
        Gateway,
        Health,
        HistoryBefore,
        HistoryEvent,
        HistoryEvents,
        HistoryGap,
        HistoryMoment,
        HistoryNotRecorded,
        HistoryNotice,
        HistoryPoint,
        HistorySeries,
        HistorySeriesInfo,
        HistoryStatus,
        HistoryText,
        HistoryTexts,
        HistoryValue,
        HistoryWear,
        HolderWord,
        House,
        KindWord,
        LineDirectionWord,
        LoginRequest,
        MessageView,
        MqttConnectionView,
        MqttConnections,
        OnlineEvent,
        Pairing,
        PairingPorts,
        PairingRequest,
        PassedMessages,
        PayloadWord,
        People,
        Property,
        PublishRequest,
        QualityWord,
        Reading,
        ReadingEvent,
        ResultEvent,
        RetainedMessages,
        RightsView,
        RoleWord,
        Scalar,
        ScannedBus,
        ScopeWord,
        Session,
        SessionUser,
        SetAccepted,
        SetRequest,
        SetupRequest,
        TokenMade,
        TokenRequest,
        TokenView,
        Tokens,
        UserChange,
        UserPropertyView,
        UserRequest,
        UserView,
        Warning,
        WarningWord,
    );
    files.push(("index.ts".to_owned(), index));
    files.push(("openapi.json".to_owned(), crate::api::openapi_json()?));
    files.sort();
    Ok(files)
}
