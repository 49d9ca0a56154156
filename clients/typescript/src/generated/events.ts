// Written by `python -m clients.typescript.generate`; do not edit.

/** A document that belongs to the item. */
export interface Attachment {
  /** Its address, with http:// or https://. */
  readonly url: string;
  /** Its name, as readers see it. */
  readonly title: string;
  /** As in `application/pdf`. */
  readonly media_type?: string | null;
  /** In bytes. */
  readonly size?: number | null;
}

/** Whether followers are told of the item at once, and which of them; nothing said = all. */
export interface Broadcast {
  /** false: an article that nobody is told of. */
  readonly enabled?: boolean;
  /** Only followers of these ages; none = all. */
  readonly ages?: readonly ("0-12" | "13-17" | "18-24" | "25-34" | "35-44" | "45-54" | "55-64" | "65+")[];
  /** Only followers of this gender. */
  readonly gender?: "all" | "male" | "female";
  /** Only followers in these parts of the country; none = all. */
  readonly regions?: readonly ("north" | "central" | "south")[];
  /** Ids of `provinces.toml`; where there are some, `regions` says nothing. */
  readonly provinces?: readonly string[];
  /** Other items whose articles stand in the same broadcast, behind this one. */
  readonly also?: readonly string[];
}

/** An item of an earlier issue whose text was corrected or withdrawn since. */
export interface BulletinAmendment {
  /** The item. */
  readonly content_id: string;
  /** The position that corrects or withdraws it. */
  readonly revision: number;
  /** Its present title. */
  readonly title: string;
  /** Kind of change to the item. */
  readonly change: "corrected" | "withdrawn";
  /** Reason of the change, as the public reads it. */
  readonly reason?: string;
}

/** An item in an issue: the revision that was read, its title, and a short text. */
export interface BulletinEntry {
  /** The item, which has a page on the portal. */
  readonly content_id: string;
  /** The one that was read when the issue was made. */
  readonly revision: number;
  /** The title, which leads to the item. */
  readonly title: string;
  /** Text of the issue below the item's title; the item itself is one click away. */
  readonly text?: string;
}

/** An issue as it is approved. Every item is in it once. */
export interface BulletinIssue {
  /** The bulletin's id. */
  readonly series: string;
  /** The year of its number: that of its last day. */
  readonly year: number;
  /** Counts the issues of the year, from 1. */
  readonly number: number;
  /** The first day that it covers. */
  readonly first_day: string;
  /** The last day that it covers. */
  readonly last_day: string;
  /** Items that readers saw after this moment go into a later issue. */
  readonly gathered_until: string;
  /** The text before the sections, as Markdown. */
  readonly introduction?: string;
  /** Published items, by section. */
  readonly sections?: readonly BulletinSection[];
  /** Items of earlier issues that were corrected or withdrawn since. */
  readonly amendments?: readonly BulletinAmendment[];
  /** Who publishes it; the last line. */
  readonly masthead?: string;
  /** Who compiled it. */
  readonly compiled_by?: string | null;
}

/** A section with its items, in their order; readers do not see an empty one. */
export interface BulletinSection {
  /** Its name for the edits of an issue. */
  readonly id: string;
  /** Its heading. */
  readonly name: string;
  /** Its items, in the order in which they are read. */
  readonly entries?: readonly BulletinEntry[];
}

/**
 * A campaign as a unit proposes and the Center approves it.
 *
 * It is not published: the item's body is the public introduction.
 */
export interface CampaignPlan {
  /** The purpose of the campaign, which is not published. */
  readonly purpose: string;
  /** The first day on which its items are published. */
  readonly first_day: string;
  /** The last one. */
  readonly last_day: string;
  /** Units that co-operate. */
  readonly partners?: readonly string[];
  /** The planned items. */
  readonly entries?: readonly PlannedItem[];
  /** The figures to reach, each metric once. */
  readonly targets?: readonly Target[];
}

export type ChannelName = "portal" | "email" | "zalo";

/** The picture of an item. */
export interface Cover {
  /** An address on the portal; a picture elsewhere becomes a link. */
  readonly url: string;
  /** Text for a person who cannot see the picture. */
  readonly alt: string;
}

/** Services that will not work for a time. A correction states a change, and the end. */
export interface Interruption {
  /** The names of the services, as users know them. */
  readonly services: readonly string[];
  /** From when on they do not work; at least 7 working days after the announcement. */
  readonly begins_at: string;
  /** When they are expected to work again; later than `begins_at`. */
  readonly expected_recovery_at: string;
  /** Why they are interrupted. */
  readonly cause: string;
  /** The advice for users meanwhile. */
  readonly alternative: string;
  /** The force majeure for which the announcement comes later than 7 working days ahead. */
  readonly force_majeure?: string | null;
  /** When they worked again, once they do; later than `begins_at`. */
  readonly resumed_at?: string | null;
}

/** Where to read on. */
export interface Link {
  /** The address, with http:// or https://. */
  readonly url: string;
  /** Text of the link. */
  readonly title: string;
}

/** An item that is to be published, by whom and when. */
export interface PlannedItem {
  /** Its number within the plan, by which an item says that it is the planned one. */
  readonly number: number;
  /** The subject of the planned item. */
  readonly title: string;
  /** The day by which readers are to have it. */
  readonly day: string;
  /** The unit that writes it; null = the unit of the campaign. */
  readonly unit?: string | null;
  /** The channel on which readers are to have it; null = any. */
  readonly channel?: ChannelName | null;
}

/** A figure that the campaign is to reach. */
export interface Target {
  /** The counted metric. */
  readonly metric: "items" | "delivered" | "opinions";
  /** How much of it. */
  readonly number: number;
}

/** A unit hands in a revision of an item. */
export interface Submitted {
  /** The item's own name, for ever; it is part of the item's address on the portal. */
  readonly content_id: string;
  /** 1 for the first text, higher for each later one. */
  readonly revision: number;
  /** Topic of the item: one of `GET /v1/vocabulary`. Readers follow topics. */
  readonly topic: string;
  /** One line, shown whole on the portal, in feeds and mails. */
  readonly title: string;
  /** The title on Zalo, which has less room; null = `title`, cut at a word where it must be. */
  readonly short_title?: string | null;
  /** Text below the title in lists, feeds and Zalo; empty = the beginning of the body. */
  readonly summary?: string;
  /** The language of the text (BCP 47). */
  readonly language?: string;
  /** Who wrote it; this person may not approve it at the desk. */
  readonly author?: string | null;
  /** The picture of the item. */
  readonly cover?: Cover | null;
  /** Where to read on, below the text. */
  readonly links?: readonly Link[] | null;
  /** Documents to download, below the text. */
  readonly attachments?: readonly Attachment[] | null;
  /** Who the item is for; none = everyone. */
  readonly audiences?: readonly string[];
  /** Where the item goes; nothing said = everywhere. */
  readonly channels?: readonly ChannelName[];
  /** `urgent` is open to units that may use it. */
  readonly lane?: "urgent" | "normal" | "bulk";
  /** Nothing leaves before this moment. */
  readonly not_before?: string | null;
  /** Nothing leaves after this moment. */
  readonly expires_at?: string | null;
  /** Which followers on Zalo are told of it at once; null = all of them. */
  readonly broadcast?: Broadcast | null;
  /** The issue of a bulletin that the item is; left out of stored JSON where it is null. */
  readonly bulletin?: BulletinIssue | null;
  /** The campaign that the item joins, by its item; a campaign names itself. As `bulletin`. */
  readonly campaign?: string | null;
  /** The planned interruption of services that the item announces; else left out. */
  readonly interruption?: Interruption | null;
  /** Markdown. */
  readonly body: string;
  /** The planned item of the campaign that this one is; it is not published. As `bulletin`. */
  readonly campaign_entry?: number | null;
  /** The plan, if the item is a campaign; `released` does not have it. As `bulletin`. */
  readonly campaign_plan?: CampaignPlan | null;
}

/**
 * A new text for an item that is already out.
 *
 * Readers who got an older text are told what was wrong; all others get the item as news.
 */
export interface Corrected {
  /** The item's own name, for ever; it is part of the item's address on the portal. */
  readonly content_id: string;
  /** 2 or more, and higher than each revision before it. */
  readonly revision: number;
  /** Topic of the item: one of `GET /v1/vocabulary`. Readers follow topics. */
  readonly topic: string;
  /** One line, shown whole on the portal, in feeds and mails. */
  readonly title: string;
  /** The title on Zalo, which has less room; null = `title`, cut at a word where it must be. */
  readonly short_title?: string | null;
  /** Text below the title in lists, feeds and Zalo; empty = the beginning of the body. */
  readonly summary?: string;
  /** The language of the text (BCP 47). */
  readonly language?: string;
  /** Who wrote it; this person may not approve it at the desk. */
  readonly author?: string | null;
  /** The picture of the item. */
  readonly cover?: Cover | null;
  /** Where to read on, below the text. */
  readonly links?: readonly Link[] | null;
  /** Documents to download, below the text. */
  readonly attachments?: readonly Attachment[] | null;
  /** Who the item is for; none = everyone. */
  readonly audiences?: readonly string[];
  /** Where the item goes; nothing said = everywhere. */
  readonly channels?: readonly ChannelName[];
  /** `urgent` is open to units that may use it. */
  readonly lane?: "urgent" | "normal" | "bulk";
  /** Nothing leaves before this moment. */
  readonly not_before?: string | null;
  /** Nothing leaves after this moment. */
  readonly expires_at?: string | null;
  /** Which followers on Zalo are told of it at once; null = all of them. */
  readonly broadcast?: Broadcast | null;
  /** The issue of a bulletin that the item is; left out of stored JSON where it is null. */
  readonly bulletin?: BulletinIssue | null;
  /** The campaign that the item joins, by its item; a campaign names itself. As `bulletin`. */
  readonly campaign?: string | null;
  /** The planned interruption of services that the item announces; else left out. */
  readonly interruption?: Interruption | null;
  /** Markdown. */
  readonly body: string;
  /** The planned item of the campaign that this one is; it is not published. As `bulletin`. */
  readonly campaign_entry?: number | null;
  /** The plan, if the item is a campaign; `released` does not have it. As `bulletin`. */
  readonly campaign_plan?: CampaignPlan | null;
  /** The revision with the mistake; lower than `revision`. */
  readonly corrects_revision: number;
  /** Mistake and its correction, as the public will read them. */
  readonly reason?: string;
}

/** An item must not be shown or sent any more, and why. */
export interface Withdrawn {
  /** The item that is withdrawn. */
  readonly content_id: string;
  /** Why, as the public will read it. */
  readonly reason: string;
  /** Title for readers in place of the item's, which is the harm itself; none = it stays. */
  readonly title?: string | null;
  /** As in `submitted`; for the title of the withdrawal. */
  readonly short_title?: string | null;
}

/** Where the person wants to be told. It never enters a stream: the door moves it away first. */
export interface Contact {
  /** The address for mail. */
  readonly email?: string | null;
  /** The mobile number that has Zalo. */
  readonly phone?: string | null;
  /** The person's id with the ministry's Official Account. */
  readonly zalo_user_id?: string | null;
  /** true: the person agreed to be told here; without it nothing is taken. */
  readonly consent: boolean;
}

/** A dossier reached a status, or its result is late (`apology`, with a new date). */
export interface CaseUpdated {
  /** `apology`: the result is late; it needs `new_due_at`. */
  readonly notice?: "status" | "apology";
  /** `ma_ho_so`, as in G09.20-20260609-0092637. */
  readonly case_code: string;
  /** `ma_tthc`. */
  readonly procedure_code: string;
  /** `ten_tthc`. */
  readonly procedure_name: string;
  /** `co_quan`: who decides. */
  readonly authority: string;
  /** `don_vi_tiep_nhan`: the electronic id of the unit; the old form is rewritten. */
  readonly receiving_unit: string;
  /** `trang_thai`: the national code, 1 to 10. */
  readonly status: number;
  /** `thoi_diem_su_kien`: tells two steps to the same status apart. */
  readonly occurred_at: string;
  /** `chu_ho_so`; a person's is stored masked. */
  readonly applicant_name: string;
  /** `loai_doi_tuong`: 0 is a citizen, 1 a business, 2 a household. */
  readonly applicant_kind: "citizen" | "business" | "household";
  /** `nguoi_duoc_uy_quyen`; stored masked. */
  readonly authorised_person?: string | null;
  /** `thoi_diem_nop`; required for status 1. */
  readonly submitted_at?: string | null;
  /** `thoi_diem_tiep_nhan`; required for 2 and 4. */
  readonly received_at?: string | null;
  /** `nguoi_tiep_nhan`, an official; required for 2. */
  readonly received_by?: string | null;
  /** `nguoi_xu_ly`, an official; required for 4. */
  readonly handled_by?: string | null;
  /** `han_tra`; required for 2 and 4. */
  readonly due_at?: string | null;
  /** `giay_to_bo_sung`: what is missing; required for 5. */
  readonly documents?: readonly string[] | null;
  /** `han_bo_sung`; required for 5. */
  readonly documents_due_at?: string | null;
  /** `so_tien`, in đồng; required for 6. */
  readonly fee?: number | null;
  /** `noi_nop`; required for 6. */
  readonly payment_place?: string | null;
  /** `noi_nhan`: where or how the result is handed over; required for 2 and 9. */
  readonly pickup?: string | null;
  /** `ly_do`; required for 3 and 8. */
  readonly reason?: string | null;
  /** `ngay_hen_moi`; required for an apology. */
  readonly new_due_at?: string | null;
  /** `lien_ket`: where the person reads more. */
  readonly detail_url?: string | null;
  /** `kenh_nhan`: addresses, with consent; kept apart, and forgotten. */
  readonly contact: Contact;
}

/**
 * One approved revision of a content item, released to its channels.
 *
 * A withdrawal is one more position: its `revision` is higher than that of the text it takes back.
 */
export interface Publication {
  /** The item's own name, for ever; it is part of the item's address on the portal. */
  readonly content_id: string;
  /** 1 for the first text, higher for each later one. */
  readonly revision: number;
  /** Topic of the item: one of `GET /v1/vocabulary`. Readers follow topics. */
  readonly topic: string;
  /** One line, shown whole on the portal, in feeds and mails. */
  readonly title: string;
  /** The title on Zalo, which has less room; null = `title`, cut at a word where it must be. */
  readonly short_title?: string | null;
  /** Text below the title in lists, feeds and Zalo; empty = the beginning of the body. */
  readonly summary?: string;
  /** The language of the text (BCP 47). */
  readonly language?: string;
  /** Who wrote it; this person may not approve it at the desk. */
  readonly author?: string | null;
  /** The picture of the item. */
  readonly cover?: Cover | null;
  /** Where to read on, below the text. */
  readonly links?: readonly Link[] | null;
  /** Documents to download, below the text. */
  readonly attachments?: readonly Attachment[] | null;
  /** Who the item is for; none = everyone. */
  readonly audiences?: readonly string[];
  /** Where the item goes; nothing said = everywhere. */
  readonly channels?: readonly ChannelName[];
  /** `urgent` is open to units that may use it. */
  readonly lane?: "urgent" | "normal" | "bulk";
  /** Nothing leaves before this moment. */
  readonly not_before?: string | null;
  /** Nothing leaves after this moment. */
  readonly expires_at?: string | null;
  /** Which followers on Zalo are told of it at once; null = all of them. */
  readonly broadcast?: Broadcast | null;
  /** The issue of a bulletin that the item is; left out of stored JSON where it is null. */
  readonly bulletin?: BulletinIssue | null;
  /** The campaign that the item joins, by its item; a campaign names itself. As `bulletin`. */
  readonly campaign?: string | null;
  /** The planned interruption of services that the item announces; else left out. */
  readonly interruption?: Interruption | null;
  readonly action: "published" | "corrected" | "withdrawn";
  readonly unit: string;
  readonly body?: string;
  readonly reason?: string;
  readonly first_released_at: string;
  readonly released_at: string;
  readonly event_id: string;
}

/** Notice about an accepted field, which readers will see otherwise than it was sent. */
export interface FieldWarning {
  /** The field as the sender wrote it, as in `data.title` or `line 1, column 4`. */
  readonly field: string;
  /** Text of the error in English. */
  readonly message: string;
  /** Text of the error in Vietnamese. */
  readonly message_vi: string;
  /** The code by which a program tells the warning. */
  readonly code: string;
}

/** The event is stored. A repeat of the same event gets the same answer. */
export interface EventAccepted {
  /** Loa's name of the event, the same for every repeat. */
  readonly event_id: string;
  /** The item that the event is about. */
  readonly content_id: string;
  /** The event's revision. A withdrawal has the newest released one, or null if none is. */
  readonly revision: number | null;
  /** Where to ask what became of it, with the same key. */
  readonly status_url: string;
  /** Differences between the sent text and the one that readers will see, if there are any. */
  readonly warnings?: readonly FieldWarning[];
  /** true: sent with a key for trials, and for the unit's guests alone; only there. */
  readonly trial?: boolean;
}

/** All events of the batch are stored, in their order. */
export interface BatchAccepted {
  /** One answer for each event. */
  readonly events: readonly EventAccepted[];
}

/** The expected outcome of one event. */
export interface ExpectedEvent {
  /** Loa's name of the event. */
  readonly event_id: string;
  /** The item that the event is about. */
  readonly content_id: string;
  /** The position that it would get in its item. */
  readonly revision: number | null;
  /** Whether the same event was accepted before: a repeat changes nothing. */
  readonly is_known: boolean;
  /** Why it would be refused after its acceptance, by the item's history; empty: it would not. */
  readonly refusals: readonly FieldError[];
  /** Differences between the sent text and the one that readers would see. */
  readonly warnings: readonly FieldWarning[];
  /** automatic, desk (a person), or rule (a rule may ask for a person); null if there is none. */
  readonly release: "automatic" | "desk" | "rule" | null;
  /** The lane that it asks for; null for a withdrawal. */
  readonly lane: string | null;
  /** How many it would reach, for each channel of the item. */
  readonly channels: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Each face as its channel would show it, by name of a file; for a single event alone. */
  readonly previews: Readonly<Record<string, string>>;
}

/**
 * One broken rule: the field, and the text in both languages.
 *
 * The sender may have invented the field's name, so `printable` bounds it like a value.
 */
export interface FieldError {
  /** The field as the sender wrote it, as in `data.title` or `line 1, column 4`. */
  readonly field: string;
  /** Text of the error in English. */
  readonly message: string;
  /** Text of the error in Vietnamese. */
  readonly message_vi: string;
}

/** A unit's quota of events, as the process that answers counts it. */
export interface Quota {
  /** The events that it may send in the long run. */
  readonly per_minute: number;
  /** The events that it may send at once. */
  readonly at_once: number;
  /** The events that it may send now. */
  readonly left: number;
}

/** The expected outcome of all events; nothing is stored. */
export interface DryRun {
  /** true: nothing was stored. */
  readonly dry_run: true;
  /** One for each event, in their order. */
  readonly events: readonly ExpectedEvent[];
  /** The unit's quota; this request counts like any other. */
  readonly quota: Quota;
  /** true: asked with a key for trials; only there. */
  readonly trial?: boolean;
}

/** One entry of an item's history, without personal data. */
export interface Happening {
  /** When it happened. */
  readonly at: string;
  /** Kind of step: received, approved, released, ... */
  readonly event: string;
  /** The channel that it happened on. */
  readonly channel?: string | null;
  /** More about it, in English. */
  readonly detail?: string;
  /** Why something was refused or not sent, in English and Vietnamese; only there. */
  readonly errors?: readonly FieldError[];
  /** As in the answer to the event; only there. */
  readonly warnings?: readonly FieldWarning[];
}

/** Where the item of an event is; counts per channel as `loa trace` shows them. */
export interface Status {
  /** The item. */
  readonly content_id: string;
  /** The newest revision that is out; null before one is. */
  readonly revision: number | null;
  /** received, waiting, scheduled, released, withdrawn or refused */
  readonly state: string;
  /** How many recipients have which outcome, for each channel. */
  readonly channels: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Steps so far, oldest first. */
  readonly timeline: readonly Happening[];
  /** true: a trial; `channels` counts its guests' mails, and there is no other channel. */
  readonly trial?: boolean;
  /** Of a trial: where each face of it is shown, with the same key. */
  readonly previews?: Readonly<Record<string, string>>;
}

/** Errors (RFC 9457) for the whole request and by field, in English and Vietnamese. */
export interface Problem {
  /** The kind of problem; the status says the same. */
  readonly type: string;
  /** Kind of the problem, in English. */
  readonly title: string;
  /** Kind of the problem, in Vietnamese. */
  readonly title_vi: string;
  /** The status of the answer once more. */
  readonly status: number;
  /** Explanation of this occurrence, in English. */
  readonly detail: string;
  /** Explanation of this occurrence, in Vietnamese. */
  readonly detail_vi: string;
  /** The path that was asked for. */
  readonly instance: string;
  /** Every broken rule, with its field. */
  readonly errors: readonly FieldError[];
  /** true: asked with a key for trials; only there. */
  readonly trial?: boolean;
}

/** The attributes of an event; others are extensions. */
export interface Attributes {
  /** The version of CloudEvents. */
  readonly specversion: "1.0";
  /** Your own name of the event; with `source` it makes a repeat harmless. */
  readonly id: string;
  /** `/units/` and the id of your unit, or a URI reference of yours that names no unit. */
  readonly source: string;
  /** The item; if given, it equals `content_id`. */
  readonly subject?: string | null;
  /** When it happened, by your clock. */
  readonly time?: string | null;
  /** The type of `data`, if given: application/json. */
  readonly datacontenttype?: string | null;
  /** The schema of `data`, if you name one; Loa does not read it. */
  readonly dataschema?: string | null;
  /** Extension attributes: lower-case letters and digits. */
  readonly [extension: string]: unknown;
}

/** A unit hands in a revision of an item. */
export interface SubmittedEvent extends Attributes {
  readonly type: "vn.gov.moha.content.submitted.v1";
  readonly data: Submitted;
}

/** A new text for an item that is already out. */
export interface CorrectedEvent extends Attributes {
  readonly type: "vn.gov.moha.content.corrected.v1";
  readonly data: Corrected;
}

/** An item must not be shown or sent any more, and why. */
export interface WithdrawnEvent extends Attributes {
  readonly type: "vn.gov.moha.content.withdrawn.v1";
  readonly data: Withdrawn;
}

/** A dossier reached a status, or its result is late (`apology`, with a new date). */
export interface CaseUpdatedEvent extends Attributes {
  readonly type: "vn.gov.moha.case.updated.v1";
  readonly data: CaseUpdated;
}

/** An event that a unit sends. */
export type LoaEvent = SubmittedEvent | CorrectedEvent | WithdrawnEvent | CaseUpdatedEvent;
