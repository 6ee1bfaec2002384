//! Users, and the phones and devices below them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use gatehouse_model::Timestamp;

use super::connections::before;
use super::extract::{Administrator, Body};
use super::{ApiError, App};
use crate::accounts::{AccountsError, Client, Deed, Kept, check_password};
use crate::wire::{
    ApiErrorBody, ClientChange, ClientCredential, ClientMade, ClientRequest, People, UserChange, UserRequest,
    UserView,
};
use crate::{MqttClientState, Role, User};

/// What the broker knows of a login: whether it is connected, from where, and when it was heard.
struct Seen {
    connected: bool,
    address: Option<String>,
    at: Option<Timestamp>,
}

fn seen(clients: &[MqttClientState], login: &str, now: Timestamp) -> Seen {
    let own = || clients.iter().filter(|client| client.login == login);
    let connection = own().find_map(|client| client.connection.as_ref());
    Seen {
        connected: connection.is_some(),
        address: connection.and_then(|one| one.address).map(|address| address.to_string()),
        at: own().filter_map(|client| client.last_heard).min().map(|ago| before(now, ago)),
    }
}

fn client_view(client: &Client, clients: &[MqttClientState], now: Timestamp) -> ClientCredential {
    let seen = seen(clients, &client.login(), now);
    ClientCredential {
        name: client.name.to_string(),
        login: client.login(),
        rights: client.rights.clone(),
        created: client.created,
        last_seen: seen.at.max(client.last_login),
        connected: seen.connected,
        address: seen.address,
    }
}

/// A client as it is now, for who has just made or changed it.
pub(super) async fn one_client(app: &App, client: &Client) -> Result<ClientCredential, ApiError> {
    let clients = app.mqtt_clients.clients().await?;
    Ok(client_view(client, &clients, app.clock.now()))
}

async fn people(app: &App) -> Result<People, ApiError> {
    let (users, all, sessions) =
        (app.accounts.list().await?, app.accounts.clients().await?, app.accounts.sessions().await?);
    let (connected, now) = (app.mqtt_clients.clients().await?, app.clock.now());
    let view = |user: &User| {
        let seen = seen(&connected, &user.name, now);
        let session = sessions.iter().find(|(name, ..)| **name == *user.name);
        let own = all.iter().filter(|client| client.user == user.name);
        UserView {
            name: user.name.to_string(),
            role: user.role.into(),
            rights: user.rights.clone(),
            sessions: session.and_then(|(_, count, _)| u32::try_from(*count).ok()).unwrap_or(0),
            last_seen: seen.at.max(session.map(|(.., at)| *at)),
            connected: seen.connected,
            clients: own.map(|client| client_view(client, &connected, now)).collect(),
        }
    };
    let rights = app.mqtt_clients.rights_sets().into_iter().map(Into::into).collect();
    Ok(People { users: users.iter().map(view).collect(), rights })
}

async fn one_user(app: &App, name: &str) -> Result<UserView, ApiError> {
    let user = app.accounts.find(name).await?.ok_or_else(|| AccountsError::UnknownUser(name.to_owned()))?;
    let people = people(app).await?;
    let found = people.users.into_iter().find(|one| *one.name == *user.name);
    Ok(found.ok_or_else(|| AccountsError::UnknownUser(name.to_owned()))?)
}

/// Refuses a rights set that there is not.
pub(super) fn check_rights(app: &App, name: &str) -> Result<(), ApiError> {
    let sets = app.mqtt_clients.rights_sets();
    if sets.iter().any(|set| set.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
    let message = format!("There is no rights set `{name}`. There are: {}.", names.join(", "));
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_rights", message))
}

/// Everybody who may come in, with their phones, and what they may be allowed.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "people",
    responses(
        (status = 200, body = People),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
    )
)]
pub(super) async fn users(State(app): State<Arc<App>>, _: Administrator) -> Result<Json<People>, ApiError> {
    Ok(Json(people(&app).await?))
}

/// Adds a user.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "people", request_body = UserRequest,
    responses(
        (status = 201, body = UserView),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 409, description = "`name_taken`, `too_many_users`", body = ApiErrorBody),
        (status = 422, description = "`invalid_name`, `weak_password`", body = ApiErrorBody),
    )
)]
pub(super) async fn add_user(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Body(UserRequest { name, role, password }): Body<UserRequest>,
) -> Result<(StatusCode, Json<UserView>), ApiError> {
    let user = app.accounts.add(&name, role.into(), &password).await?;
    app.accounts.note(Deed::UserAdded, &person.by(), Some(&user.name), Some(user.role.as_str())).await;
    Ok((StatusCode::CREATED, Json(one_user(&app, &user.name).await?)))
}

/// Changes a user: role, password, rights over MQTT, or logs the user out everywhere. Of several, each is done in turn.
#[utoipa::path(
    patch, path = "/api/v1/users/{name}", tag = "people", request_body = UserChange,
    params(("name" = String, Path, description = "The user's name")),
    responses(
        (status = 200, body = UserView),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_user`", body = ApiErrorBody),
        (status = 409, description = "`last_administrator`", body = ApiErrorBody),
        (status = 422, description = "`weak_password`, `unknown_rights`", body = ApiErrorBody),
    )
)]
pub(super) async fn change_user(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Path(name): Path<String>,
    Body(change): Body<UserChange>,
) -> Result<Json<UserView>, ApiError> {
    let (accounts, by) = (&app.accounts, person.by());
    let user = accounts.find(&name).await?.ok_or_else(|| AccountsError::UnknownUser(name.clone()))?;
    let about = Some(&*user.name);
    // What is wrong is found before anything is done.
    let rights = change.rights.as_deref().map(|set| Some(set).filter(|set| !set.is_empty()));
    if let Some(Some(set)) = rights {
        check_rights(&app, set)?;
    }
    if let Some(password) = &change.password {
        check_password(password)?;
    }
    if let Some(role) = change.role.map(Role::from).filter(|role| *role != user.role) {
        accounts.set_role(&name, role).await?;
        accounts.note(Deed::RoleChanged, &by, about, Some(role.as_str())).await;
    }
    if let Some(set) = rights.filter(|set| *set != user.rights.as_deref()) {
        accounts.set_rights(&name, set).await?;
        accounts.note(Deed::RightsChanged, &by, about, set).await;
    }
    let kept = Kept { session: None, tokens: change.keep_tokens == Some(true) };
    if let Some(password) = &change.password {
        let ended = accounts.renew_password(&name, password, kept).await?;
        accounts.note(Deed::PasswordChanged, &by, about, taken_back(ended.tokens).as_deref()).await;
    }
    if change.log_out == Some(true) {
        let ended = accounts.log_out_everywhere(&name, kept).await?;
        accounts.note(Deed::LoggedOutEverywhere, &by, about, taken_back(ended.tokens).as_deref()).await;
    }
    Ok(Json(one_user(&app, &name).await?))
}

/// For the audit log: how many tokens went with a password or a log-out everywhere.
pub(super) fn taken_back(tokens: u64) -> Option<String> {
    (tokens > 0).then(|| format!("tokens taken back: {tokens}"))
}

/// Removes a user, with the phones and tokens of the user. Their connections are closed.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}", tag = "people",
    params(("name" = String, Path, description = "The user's name")),
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_user`", body = ApiErrorBody),
        (status = 409, description = "`last_administrator`", body = ApiErrorBody),
    )
)]
pub(super) async fn remove_user(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.accounts.remove(&name).await?;
    app.accounts.note(Deed::UserRemoved, &person.by(), Some(&name), None).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The phones and devices of a user.
#[utoipa::path(
    get, path = "/api/v1/users/{name}/clients", tag = "people",
    params(("name" = String, Path, description = "The user's name")),
    responses(
        (status = 200, body = Vec<ClientCredential>),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`", body = ApiErrorBody),
        (status = 404, description = "`unknown_user`", body = ApiErrorBody),
    )
)]
pub(super) async fn clients(
    State(app): State<Arc<App>>,
    _: Administrator,
    Path(name): Path<String>,
) -> Result<Json<Vec<ClientCredential>>, ApiError> {
    Ok(Json(one_user(&app, &name).await?.clients))
}

/// Adds a phone or a device to a user. Its password is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/api/v1/users/{name}/clients", tag = "people", request_body = ClientRequest,
    params(("name" = String, Path, description = "The user's name")),
    responses(
        (status = 201, body = ClientMade),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_user`", body = ApiErrorBody),
        (status = 409, description = "`name_taken`, `too_many_clients`", body = ApiErrorBody),
        (status = 422, description = "`invalid_name`, `unknown_rights`", body = ApiErrorBody),
    )
)]
pub(super) async fn add_client(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Path(name): Path<String>,
    Body(ClientRequest { name: client, rights }): Body<ClientRequest>,
) -> Result<(StatusCode, Json<ClientMade>), ApiError> {
    check_rights(&app, &rights)?;
    let (client, password) = app.accounts.add_client_with_random_password(&name, &client, &rights).await?;
    app.accounts.note(Deed::ClientAdded, &person.by(), Some(&client.login()), Some(&rights)).await;
    let client = one_client(&app, &client).await?;
    Ok((StatusCode::CREATED, Json(ClientMade { client, password })))
}

/// Gives a phone or a device other rights. They hold at once.
#[utoipa::path(
    patch, path = "/api/v1/users/{name}/clients/{client}", tag = "people", request_body = ClientChange,
    params(
        ("name" = String, Path, description = "The user's name"),
        ("client" = String, Path, description = "The client's name"),
    ),
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_client`", body = ApiErrorBody),
        (status = 422, description = "`unknown_rights`", body = ApiErrorBody),
    )
)]
pub(super) async fn change_client(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Path((name, client)): Path<(String, String)>,
    Body(change): Body<ClientChange>,
) -> Result<StatusCode, ApiError> {
    if let Some(rights) = &change.rights {
        check_rights(&app, rights)?;
        app.accounts.set_client_rights(&name, &client, rights).await?;
        let about = format!("{name}:{client}");
        app.accounts.note(Deed::ClientRightsChanged, &person.by(), Some(&about), Some(rights)).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a phone or a device: its connections are closed, and its password does not work any more.
#[utoipa::path(
    delete, path = "/api/v1/users/{name}/clients/{client}", tag = "people",
    params(
        ("name" = String, Path, description = "The user's name"),
        ("client" = String, Path, description = "The client's name"),
    ),
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden`, `cross_site`", body = ApiErrorBody),
        (status = 404, description = "`unknown_client`", body = ApiErrorBody),
    )
)]
pub(super) async fn remove_client(
    State(app): State<Arc<App>>,
    Administrator(person): Administrator,
    Path((name, client)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.accounts.remove_client(&name, &client).await?;
    let about = format!("{name}:{client}");
    app.accounts.note(Deed::ClientRemoved, &person.by(), Some(&about), None).await;
    Ok(StatusCode::NO_CONTENT)
}
