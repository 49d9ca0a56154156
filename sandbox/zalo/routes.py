"""Routes of the sandbox. Faults are planned by a route's name."""

from aiohttp import web

from sandbox.zalo.api import (
    account,
    articles,
    direct_messages,
    followers,
    oauth,
    template_info,
    template_messages,
)
from sandbox.zalo.controls import admin, people_controls, webhook_admin
from sandbox.zalo.page import page

_PAGES = [
    web.get("/", page.show_page, name="page"),
    web.get("/tep/{name}", page.show_file, name="page.files"),
]
_OAUTH = [
    web.get("/v4/oa/permission", oauth.permission, name="oauth.permission"),
    web.post("/v4/oa/access_token", oauth.access_token, name="oauth.token"),
]
_OA = [
    web.get("/v2.0/oa/getoa", account.profile, name="oa.getoa"),
    web.post("/v2.0/oa/message", account.send_message, name="oa.message"),
    web.post("/v3.0/oa/message/cs", direct_messages.send_v3, name="oa.cs"),
    web.post("/v3.0/oa/message/template", template_messages.send_by_user_id, name="oa.template"),
    web.post("/v2.0/oa/quota/message", account.account_quota, name="oa.quota"),
    web.get("/v3.0/oa/user/getlist", followers.list_people, name="oa.getlist"),
    web.post("/v2.0/oa/deletefollowerinfo", followers.forget_person, name="oa.deletefollowerinfo"),
]
_BUSINESS = [
    web.post("/message/template", template_messages.send_by_phone, name="business.template"),
    web.get("/message/quota", template_info.quota, name="business.quota"),
    web.get("/quality", template_info.quality, name="business.quality"),
    web.get("/template/info/v2", template_info.template_info, name="business.info"),
]
_ARTICLES = [
    web.post("/v2.0/article/create", articles.create, name="article.create"),
    web.post("/v2.0/article/verify", articles.verify, name="article.verify"),
    web.post("/v2.0/article/update", articles.update, name="article.update"),
    web.post("/v2.0/article/remove", articles.remove, name="article.remove"),
    web.get("/v2.0/article/getdetail", articles.detail, name="article.getdetail"),
    web.get("/v2.0/article/getslice", articles.list_articles, name="article.getslice"),
]
CONTROLS = [
    web.post("/_sandbox/faults", admin.add_fault, name="admin.faults"),
    web.delete("/_sandbox/faults", admin.clear_faults),
    web.post("/_sandbox/clock", admin.set_clock, name="admin.clock"),
    web.post("/_sandbox/rules", admin.set_rules, name="admin.rules"),
    web.post("/_sandbox/templates", admin.set_template, name="admin.templates"),
    web.post("/_sandbox/balance", admin.set_balance, name="admin.balance"),
    web.post("/_sandbox/grant", admin.grant, name="admin.grant"),
    web.post("/_sandbox/settle", admin.run_due, name="admin.settle"),
    web.get("/_sandbox/state", admin.state, name="admin.state"),
    web.get("/_sandbox/effects", admin.effects, name="admin.effects"),
    web.get("/_sandbox/webhook", webhook_admin.show, name="admin.webhook"),
    web.post("/_sandbox/webhook", webhook_admin.subscribe),
    web.post("/_sandbox/webhook/enable", webhook_admin.enable, name="admin.webhook_enable"),
    web.post("/_sandbox/webhook/probe", webhook_admin.probe, name="admin.webhook_probe"),
]
_PERSON = "/_sandbox/people/{user_id}"
_PEOPLE = [
    web.get("/_sandbox/people", people_controls.listing, name="admin.people"),
    web.post("/_sandbox/people", people_controls.create),
    web.post(f"{_PERSON}/write", people_controls.write, name="admin.write"),
    web.post(f"{_PERSON}/follow", people_controls.follow, name="admin.follow"),
    web.post(f"{_PERSON}/unfollow", people_controls.unfollow, name="admin.unfollow"),
    web.post(f"{_PERSON}/read", people_controls.mark_read, name="admin.read"),
    web.post(f"{_PERSON}/tap", people_controls.tap, name="admin.tap"),
    web.post(f"{_PERSON}/feedback", people_controls.rate, name="admin.feedback"),
    web.post(f"{_PERSON}/withdraw", people_controls.withdraw, name="admin.withdraw"),
    web.post(f"{_PERSON}/share", people_controls.share, name="admin.share"),
    web.post(f"{_PERSON}/chat-now", people_controls.chat_now, name="admin.chat_now"),
]
ROUTES = [*_PAGES, *_OAUTH, *_OA, *_BUSINESS, *_ARTICLES, *CONTROLS, *_PEOPLE]
