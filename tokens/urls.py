"""Paths of this app, below a realm's issuer; `keys.urls` adds the JWK Set."""

from django.urls import path

from tokens import endpoints
from tokens.endpoints import Endpoint
from tokens.views.applications import ApplicationsView
from tokens.views.authorize import AuthorizeView, ConsentView
from tokens.views.base import ProtocolView
from tokens.views.device import DeviceAuthorizationView, DeviceView
from tokens.views.direct import LogoutView, RefreshView, SecondFactorView, SignInView
from tokens.views.end_session import ConfirmEndView, EndSessionView
from tokens.views.service import ConnectView, DiscoveryView, HealthView
from tokens.views.token import IntrospectionView, RevocationView, TokenView, UserinfoView

VIEWS: tuple[tuple[Endpoint, type[ProtocolView]], ...] = (
    (endpoints.DISCOVERY, DiscoveryView),
    (endpoints.METADATA, DiscoveryView),
    (endpoints.TOKEN, TokenView),
    (endpoints.USERINFO, UserinfoView),
    (endpoints.INTROSPECTION, IntrospectionView),
    (endpoints.REVOCATION, RevocationView),
    (endpoints.DEVICE_AUTHORIZATION, DeviceAuthorizationView),
    (endpoints.SIGN_IN, SignInView),
    (endpoints.SECOND_FACTOR, SecondFactorView),
    (endpoints.REFRESH, RefreshView),
    (endpoints.LOGOUT, LogoutView),
    (endpoints.CONNECT, ConnectView),
    (endpoints.HEALTH, HealthView),
)

urlpatterns = [
    path(endpoints.AUTHORIZATION.path, AuthorizeView.as_view(), name=endpoints.AUTHORIZATION.name),
    path(endpoints.END_SESSION.path, EndSessionView.as_view(), name=endpoints.END_SESSION.name),
    path("logout/confirm", ConfirmEndView.as_view(), name="end_session_confirm"),
    path(endpoints.DEVICE.path, DeviceView.as_view(), name=endpoints.DEVICE.name),
    path("account/applications", ApplicationsView.as_view(), name="account-applications"),
    path("consent", ConsentView.as_view(), name="consent"),
    *(
        path(
            endpoint.path,
            view.as_view(http_method_names=endpoint.http_method_names()),
            name=endpoint.name,
        )
        for endpoint, view in VIEWS
    ),
]
