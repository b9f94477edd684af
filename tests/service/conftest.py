import asyncio
import shutil

import httpx
import pytest
from orphans import ended_with_us
from served_company import NAME, export, settings_at

from churn_value.service.http import application
from churn_value.service.options import Options
from churn_value.service.serve import running
from churn_value.service.serving import Serving
from churn_value.settings import Settings

LOCAL = "http://127.0.0.1:3000"


class Caller:
    """Calls an ASGI application in this process; any uncaught error of the application comes back as its response."""

    def __init__(self, runner: asyncio.Runner, app, base_url: str = LOCAL) -> None:
        self.runner = runner
        self.app = app
        self.base_url = base_url

    def request(self, method: str, path: str, **content) -> httpx.Response:
        return self.runner.run(self._request(method, path, content))

    async def _request(self, method: str, path: str, content) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
            return await client.request(method, path, **content)

    def get(self, path: str, **content) -> httpx.Response:
        return self.request("GET", path, **content)

    def post(self, path: str, **content) -> httpx.Response:
        return self.request("POST", path, **content)


@pytest.fixture(scope="session", autouse=True)
def no_orphans():
    """Servers die with this process."""
    with ended_with_us():
        yield


@pytest.fixture(scope="session")
def runner():
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """Exported once; tests read it and change only copies."""
    return export(settings_at(tmp_path_factory.mktemp("company")))


@pytest.fixture
def copied(company, tmp_path) -> Settings:
    """Settings of a copy that a test may break."""
    settings = settings_at(tmp_path)
    shutil.copytree(company.exported, settings.exported(NAME))
    settings.place(NAME).mkdir(parents=True)
    shutil.copy(company.settings.scored_features(NAME), settings.scored_features(NAME))
    return settings


@pytest.fixture(scope="session")
def open_service(runner):
    """Service over some settings and options, its state looked at once."""

    def opened(settings: Settings, base_url: str = LOCAL, **options) -> tuple[Serving, Caller]:
        serving = Serving(Options(name=NAME, **options), settings)
        serving.champion.trial = lambda _: None  # a child process per swap; test_trial.py has its own
        serving.refresh()
        return serving, Caller(runner, application(serving), base_url)

    return opened


@pytest.fixture(scope="session")
def client(company, open_service) -> Caller:
    """Caller of a service that nobody breaks."""
    return open_service(company.settings)[1]


@pytest.fixture(scope="session")
def address(company):
    """One real service process, for all tests that only ask."""
    with running(NAME, settings=company.settings, options=Options(name=NAME, poll_s=0.1)) as url:
        yield url
