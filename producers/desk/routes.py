"""Every route of the desk, and who may use it. A test tries each one with each role."""

from collections.abc import Sequence

from contracts.desk.roles import READ_DRAFTS
from contracts.editorial import ActionKind as Kind
from producers.desk import administration, oidc, own_account, sign_in, terminals
from producers.desk.bulletins import issue_form, series_pages
from producers.desk.campaigns import pages as campaigns
from producers.desk.delivery import dry_run, live, previews
from producers.desk.editor.routes import EDITOR_ROUTES, TEXT_BYTES
from producers.desk.items import acts as item_acts
from producers.desk.items import link_checks, lists, text_pages, uploads
from producers.desk.items import pages as items
from producers.desk.operations import audit_log, dead_letters, overview, reports, roles
from producers.desk.visit import OWN, PUBLIC, DeskRoute

_MANAGE, _DISABLE = "manage-people", "disable-account"
_READ, _WRITE = READ_DRAFTS, "write"

ROUTES: Sequence[DeskRoute] = (
    DeskRoute("GET", "/dang-nhap", PUBLIC, sign_in.show_sign_in),
    DeskRoute("POST", "/dang-nhap", PUBLIC, sign_in.sign_in),
    DeskRoute("GET", "/kich-hoat", PUBLIC, sign_in.show_activation),
    DeskRoute("POST", "/kich-hoat", PUBLIC, sign_in.activate),
    DeskRoute("POST", "/dang-xuat", OWN, sign_in.sign_out),
    DeskRoute("GET", "/oidc/vao", PUBLIC, oidc.start),
    DeskRoute("GET", "/oidc/ve", PUBLIC, oidc.come_back),
    DeskRoute("GET", "/oidc/xong", PUBLIC, oidc.finish),
    DeskRoute("POST", "/oidc/dang-xuat", PUBLIC, oidc.end_sessions, from_server=True),
    DeskRoute("GET", "/", OWN, lists.show_work),
    DeskRoute("GET", "/quyen", OWN, own_account.show_start),
    DeskRoute("GET", "/tai-khoan", OWN, own_account.show_account),
    DeskRoute("POST", "/tai-khoan/mat-khau", OWN, own_account.change_password),
    DeskRoute("GET", "/tai-khoan/ung-dung", OWN, own_account.show_app),
    DeskRoute("POST", "/tai-khoan/ung-dung", OWN, own_account.change_app),
    DeskRoute("POST", "/tai-khoan/thu", OWN, own_account.set_mail),
    DeskRoute("POST", "/tai-khoan/phien", OWN, own_account.end_session),
    DeskRoute("POST", "/tai-khoan/moi-phien", OWN, own_account.end_all_sessions),
    DeskRoute("GET", "/huong-dan/vai-tro", OWN, roles.show),
    DeskRoute("GET", "/dong-lenh", OWN, terminals.show_code_form),
    DeskRoute("POST", "/dong-lenh", OWN, terminals.show_terminal),
    DeskRoute("POST", "/dong-lenh/dong-y", OWN, terminals.confirm_terminal, signs_in=True),
    DeskRoute("GET", "/tin/{content_id}/xem-truoc", _READ, previews.show_preview),
    DeskRoute("GET", "/tin/{content_id}/xem-truoc/khung", _READ, previews.show_document),
    *EDITOR_ROUTES,
    DeskRoute("GET", "/tin/{content_id}/se-toi-ai", _READ, dry_run.show_dry_run),
    DeskRoute("POST", "/tin/{content_id}/se-toi-ai", _READ, dry_run.send_trial),
    DeskRoute("GET", "/tin/{content_id}/dang-gui", live.WATCH, live.show_live),
    DeskRoute("GET", "/tin/{content_id}/dang-gui/dong", live.WATCH, live.stream_live),
    DeskRoute("GET", "/nhan-su", _MANAGE, administration.show_accounts),
    DeskRoute("GET", "/nhan-su/them", _MANAGE, administration.show_new_account),
    DeskRoute("POST", "/nhan-su/them", _MANAGE, administration.add_account),
    DeskRoute("GET", "/nhan-su/{id}", _MANAGE, administration.show_account),
    DeskRoute("POST", "/nhan-su/{id}/vai-tro", _MANAGE, administration.set_roles),
    DeskRoute("POST", "/nhan-su/{id}/thu", _MANAGE, administration.set_address),
    DeskRoute("POST", "/nhan-su/{id}/mo", _MANAGE, administration.enable_account),
    DeskRoute("POST", "/nhan-su/{id}/cap-lai", _MANAGE, administration.reset_account),
    DeskRoute("POST", "/nhan-su/{id}/khoa", _DISABLE, administration.disable_account),
    DeskRoute("POST", "/nhan-su/{id}/go-lien-ket", _MANAGE, administration.unlink_identity),
    DeskRoute("GET", "/dinh-danh", _MANAGE, administration.show_waiting_people),
    DeskRoute("POST", "/dinh-danh", _MANAGE, administration.link_identity),
    DeskRoute("GET", "/don-vi", _MANAGE, administration.show_units),
    DeskRoute("GET", "/don-vi/them", _MANAGE, administration.show_new_unit),
    DeskRoute("POST", "/don-vi/them", _MANAGE, administration.add_unit),
    DeskRoute("GET", "/don-vi/{unit}", _MANAGE, administration.show_unit),
    DeskRoute("POST", "/don-vi/{unit}/quyen", _MANAGE, administration.set_unit),
    DeskRoute("POST", "/don-vi/{unit}/khoa-moi", _MANAGE, administration.rotate_key),
    DeskRoute("POST", "/don-vi/{unit}/thu-hoi", _DISABLE, administration.revoke_keys),
    DeskRoute("GET", "/de-nghi", _MANAGE, administration.show_proposals),
    DeskRoute("POST", "/de-nghi/{id}/dong-y", _MANAGE, administration.confirm),
    DeskRoute("POST", "/de-nghi/{id}/tu-choi", _MANAGE, administration.refuse),
    DeskRoute("GET", "/tep", uploads.WRITE, uploads.show_form),
    DeskRoute("POST", "/tep", uploads.WRITE, uploads.add, takes_file=True),
    DeskRoute("GET", "/tep/{hash}/{name}", uploads.READ, uploads.serve),
    DeskRoute("GET", "/su-kien-loai", dead_letters.READ, dead_letters.show_letters),
    DeskRoute("GET", "/su-kien-loai/{id}", dead_letters.READ, dead_letters.show_letter),
    DeskRoute("GET", "/su-kien-loai/{id}/sua", dead_letters.EDIT, dead_letters.show_edit),
    DeskRoute("POST", "/su-kien-loai/{id}/sua", dead_letters.EDIT, dead_letters.edit),
    DeskRoute("POST", "/su-kien-loai/{id}/gui-lai", dead_letters.OPERATE, dead_letters.replay),
    DeskRoute("POST", "/su-kien-loai/{id}/bo", dead_letters.OPERATE, dead_letters.discard),
    DeskRoute("GET", "/van-hanh", overview.READ, overview.show),
    DeskRoute("POST", "/van-hanh/{channel}/tam-dung", overview.OPERATE, overview.pause),
    DeskRoute("POST", "/van-hanh/{channel}/chay-tiep", overview.OPERATE, overview.resume),
    DeskRoute("GET", "/bao-cao", reports.READ, reports.show),
    DeskRoute("GET", "/bao-cao/so-lieu", reports.READ, reports.show_behind),
    DeskRoute("GET", "/bao-cao/tep", reports.READ, reports.send_file),
    DeskRoute("GET", "/bao-cao/tac-gia", reports.AUTHORS, reports.show_authors),
    DeskRoute("POST", "/bao-cao/tac-gia", reports.AUTHORS, reports.send_authors),
    DeskRoute("GET", "/tin", _READ, lists.show_items),
    DeskRoute("GET", "/lich", _READ, lists.show_calendar),
    DeskRoute("GET", "/ban-tin", _READ, series_pages.show_bulletins),
    DeskRoute("POST", "/ban-tin/{series}", _WRITE, series_pages.begin),
    DeskRoute("GET", "/tin/{content_id}/ban-tin", _READ, issue_form.show_issue),
    DeskRoute("GET", "/tin/{content_id}/ban-tin/in", _READ, issue_form.print_issue),
    DeskRoute(
        *("POST", "/tin/{content_id}/ban-tin", _READ, issue_form.edit_issue), form_bytes=TEXT_BYTES
    ),
    DeskRoute("GET", "/chuyen-de", _READ, campaigns.show_campaigns),
    DeskRoute("GET", "/chuyen-de/de-xuat", _WRITE, campaigns.show_proposal),
    DeskRoute(*("POST", "/chuyen-de/de-xuat", _WRITE, campaigns.propose), form_bytes=TEXT_BYTES),
    DeskRoute("GET", "/tin/{content_id}/chuyen-de", _READ, campaigns.show_campaign),
    DeskRoute(
        *("POST", "/tin/{content_id}/chuyen-de", _READ, campaigns.edit_campaign),
        form_bytes=TEXT_BYTES,
    ),
    DeskRoute("GET", "/soan-moi", _WRITE, text_pages.show_new_item),
    DeskRoute("POST", "/soan-moi", _WRITE, text_pages.add_item, form_bytes=TEXT_BYTES),
    DeskRoute("GET", "/tin/{content_id}", _READ, items.show_item),
    DeskRoute("GET", "/tin/{content_id}/sua", _READ, text_pages.show_text),
    DeskRoute("POST", "/tin/{content_id}/sua", _READ, text_pages.save_text, form_bytes=TEXT_BYTES),
    DeskRoute(
        *("POST", "/soan/{content_id}/lien-ket", _WRITE, link_checks.check_typed),
        form_bytes=TEXT_BYTES,
    ),
    DeskRoute("POST", "/tin/{content_id}/lien-ket", link_checks.ASK, link_checks.check_item),
    DeskRoute("POST", "/tin/{content_id}/doi-gio", _READ, item_acts.move),
    DeskRoute("GET", "/tin/{content_id}/duyet", _READ, items.show_review),
    DeskRoute("POST", "/tin/{content_id}/gui", _WRITE, item_acts.perform(Kind.SUBMIT)),
    DeskRoute("POST", "/tin/{content_id}/xac-nhan", "confirm", item_acts.perform(Kind.CONFIRM)),
    DeskRoute("POST", "/tin/{content_id}/trinh", "edit", item_acts.perform(Kind.PROPOSE)),
    DeskRoute("POST", "/tin/{content_id}/duyet", "approve", item_acts.perform(Kind.APPROVE)),
    DeskRoute("POST", "/tin/{content_id}/tra-lai", _READ, item_acts.perform(Kind.RETURN)),
    DeskRoute("POST", "/tin/{content_id}/bo", _WRITE, item_acts.give_up),
    DeskRoute("POST", "/tin/{content_id}/tu-choi", "reject", item_acts.perform(Kind.REJECT)),
    DeskRoute("POST", "/tin/{content_id}/go", "withdraw", item_acts.perform(Kind.WITHDRAW)),
    DeskRoute("POST", "/tin/{content_id}/gop-y", _READ, item_acts.perform(Kind.COMMENT)),
    DeskRoute("GET", "/nhat-ky", audit_log.READ, audit_log.show_log),
    DeskRoute("GET", "/nhat-ky/doi-chieu", audit_log.READ, audit_log.show_proof),
    DeskRoute("POST", "/nhat-ky/doi-chieu", audit_log.READ, audit_log.prove),
    DeskRoute("GET", "/nhat-ky/trich-xuat", audit_log.READ, audit_log.show_export),
    DeskRoute("POST", "/nhat-ky/trich-xuat", audit_log.READ, audit_log.export),
    DeskRoute("GET", "/nhat-ky/{log}/{id}", audit_log.READ, audit_log.show_entry),
)
