"""Every path of the sandbox. A route's name is what faults are set by."""

from aiohttp import web

from channels.zalo.sandbox import (
    acting,
    admin,
    articles,
    consult,
    followers,
    hook_admin,
    messages,
    oauth,
    page,
    template_reads,
    uploads,
    zns,
)
from channels.zalo.sandbox.wire import removed

PAGES = [
    web.get("/", page.page, name="page"),
    web.get("/style.css", page.style, name="page.style"),
]
OAUTH = [
    web.get("/v4/oa/permission", oauth.permission, name="oauth.permission"),
    web.post("/v4/oa/access_token", oauth.access_token, name="oauth.token"),
]
OA = [
    web.get("/v2.0/oa/getoa", messages.profile, name="oa.getoa"),
    web.post("/v2.0/oa/message", messages.message, name="oa.message"),
    web.post("/v3.0/oa/message/cs", consult.current, name="oa.cs"),
    web.post("/v3.0/oa/message/transaction", consult.shut_down, name="oa.transaction"),
    web.post("/v3.0/oa/message/promotion", consult.shut_down, name="oa.promotion"),
    web.post("/v3.0/oa/message/template", zns.by_user_id, name="oa.template"),
    web.post("/v2.0/oa/quota/message", messages.oa_quota, name="oa.quota"),
    web.post("/v3.0/oa/quota/message", messages.person_quota, name="oa.person_quota"),
    web.get("/v2.0/oa/listrecentchat", messages.recent_chat, name="oa.recent_chat"),
    web.get("/v2.0/oa/conversation", messages.conversation, name="oa.conversation"),
    web.get("/v3.0/oa/user/getlist", followers.listing, name="oa.getlist"),
    web.get("/v3.0/oa/user/detail", followers.detail, name="oa.detail"),
    web.post("/v3.0/oa/user/update", followers.update, name="oa.update"),
    web.get("/v2.0/oa/getfollowers", followers.former_listing, name="oa.getfollowers"),
    web.get("/v2.0/oa/getprofile", followers.former_profile, name="oa.getprofile"),
    web.post("/v2.0/oa/deletefollowerinfo", followers.forget, name="oa.deletefollowerinfo"),
    web.post("/v2.0/oa/tag/tagfollower", followers.tag, name="oa.tagfollower"),
    web.post("/v2.0/oa/tag/rmfollowerfromtag", followers.untag, name="oa.rmfollowerfromtag"),
    web.post("/v2.0/oa/tag/rmtag", followers.remove_tag, name="oa.rmtag"),
    web.get("/v2.0/oa/tag/gettagsofoa", followers.tags, name="oa.gettagsofoa"),
    web.post("/v2.0/oa/upload/image", uploads.taking(uploads.IMAGE), name="oa.upload_image"),
    web.post("/v2.0/oa/upload/gif", uploads.taking(uploads.GIF), name="oa.upload_gif"),
    web.post("/v2.0/oa/upload/file", uploads.taking(uploads.FILE), name="oa.upload_file"),
]
BUSINESS = [
    web.post("/message/template", zns.by_phone, name="business.template"),
    web.post("/message/template/hashphone", zns.by_hash, name="business.hashphone"),
    web.get("/message/status", template_reads.status, name="business.status"),
    web.get("/message/quota", template_reads.quota, name="business.quota"),
    web.get("/message/template-tag", template_reads.tags, name="business.tags"),
    web.get("/quality", template_reads.quality, name="business.quality"),
    web.get("/template/all", template_reads.listing, name="business.templates"),
    web.get("/template/info/v2", template_reads.info, name="business.info"),
    web.get("/template/sample-data", template_reads.sample, name="business.sample"),
    web.post("/rating/get", template_reads.ratings, name="business.ratings"),
    web.post("/upload/image", uploads.taking(uploads.ASSET), name="business.upload_image"),
]
ARTICLES = [
    web.post("/v2.0/article/create", articles.create, name="article.create"),
    web.post("/v2.0/article/verify", articles.verify, name="article.verify"),
    web.post("/v2.0/article/update", articles.update, name="article.update"),
    web.post("/v2.0/article/remove", articles.remove, name="article.remove"),
    web.get("/v2.0/article/getdetail", articles.detail, name="article.getdetail"),
    web.get("/v2.0/article/getslice", articles.listing, name="article.getslice"),
    web.post("/v2.0/article/upload_image", removed, name="article.upload_image"),
    web.post("/v2.0/article/upload_video_or_cover", removed, name="article.upload_cover"),
]
CONTROLS = [
    web.post("/_sandbox/faults", admin.add_fault, name="admin.faults"),
    web.delete("/_sandbox/faults", admin.clear_faults),
    web.post("/_sandbox/clock", admin.set_clock, name="admin.clock"),
    web.post("/_sandbox/rules", admin.set_rules, name="admin.rules"),
    web.post("/_sandbox/templates", admin.set_template, name="admin.templates"),
    web.post("/_sandbox/balance", admin.set_balance, name="admin.balance"),
    web.post("/_sandbox/grant", admin.grant, name="admin.grant"),
    web.post("/_sandbox/settle", admin.pass_time, name="admin.settle"),
    web.get("/_sandbox/state", admin.state, name="admin.state"),
    web.get("/_sandbox/effects", admin.effects, name="admin.effects"),
    web.get("/_sandbox/webhook", hook_admin.show, name="admin.webhook"),
    web.post("/_sandbox/webhook", hook_admin.subscribe),
    web.post("/_sandbox/webhook/enable", hook_admin.enable, name="admin.webhook_enable"),
    web.post("/_sandbox/webhook/probe", hook_admin.probe, name="admin.webhook_probe"),
]
SOMEONE = "/_sandbox/people/{user_id}"
PEOPLE = [
    web.get("/_sandbox/people", acting.listing, name="admin.people"),
    web.post("/_sandbox/people", acting.create),
    web.post(f"{SOMEONE}/write", acting.write, name="admin.write"),
    web.post(f"{SOMEONE}/follow", acting.follow, name="admin.follow"),
    web.post(f"{SOMEONE}/unfollow", acting.unfollow, name="admin.unfollow"),
    web.post(f"{SOMEONE}/read", acting.see, name="admin.read"),
    web.post(f"{SOMEONE}/tap", acting.tap, name="admin.tap"),
    web.post(f"{SOMEONE}/react", acting.react, name="admin.react"),
    web.post(f"{SOMEONE}/feedback", acting.rate, name="admin.feedback"),
    web.post(f"{SOMEONE}/withdraw", acting.withdraw, name="admin.withdraw"),
    web.post(f"{SOMEONE}/share", acting.share, name="admin.share"),
    web.post(f"{SOMEONE}/chat-now", acting.chat_now, name="admin.chat_now"),
]
ROUTES = [*PAGES, *OAUTH, *OA, *BUSINESS, *ARTICLES, *CONTROLS, *PEOPLE]
