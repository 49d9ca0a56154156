export declare function checkEvent(event: Uint8Array | string | object, options?: CheckOptions): readonly FieldWarning[];

export interface CheckOptions {
    readonly headers?: EventHeaders;
    readonly unit?: string;
    readonly vocabulary?: Vocabulary;
}

export declare function headerValue(value: string | number | boolean): string;

export type EventHeaders = Headers | Readonly<Record<string, string>>;

export declare class ContractError extends Error {
    readonly status: number;
    readonly errors: readonly FieldError[];
    readonly code: ErrorCode;
    readonly retryAfterS: number | null;
    constructor(code: ErrorCode, errors: readonly FieldError[], retryAfterS?: number | null);
}

export type ErrorCode = "unreadable" | "unauthorized" | "forbidden" | "not_found" | "conflict" | "too_large" | "unsupported_media" | "invalid" | "rate_limited" | "unavailable";

export interface FieldError {
    readonly field: string;
    readonly message: string;
    readonly message_vi: string;
}

export interface FieldWarning extends FieldError {
    readonly code: string;
}

export declare class HttpPublisher extends Publisher {
    constructor(options: HttpOptions);
    publishBatch(events: readonly GivenEvent[]): Promise<readonly (Accepted | Spooled)[]>;
    dryRun(event: GivenEvent): Promise<DryRun>;
    status(eventId: string): Promise<Status>;
}

export interface HttpOptions extends PublisherOptions {
    readonly url: string;
    readonly key: string;
}

export declare class NatsPublisher extends Publisher {
    constructor(options: NatsOptions);
}

export interface NatsOptions extends PublisherOptions {
    readonly servers: string | readonly string[];
    readonly nkeyFile?: string;
    readonly credsFile?: string;
    readonly caFile?: string;
}

export declare namespace keys {
  export function digest(...parts: readonly string[]): string;
  export function eventId(unit: string, source: string, id: string): string;
  export function contentHash(type: string, data: object): string;
  export function canonical(type: string, data: object): string;
  export function publicationKey(contentId: string, revision: number): string;
  export function deliveryKey(contentId: string, revision: number, channel: string, recipientId: string): string;
  export function messageId(delivery: string, domain: string): string;
  export function trackingId(delivery: string): string;
  export function caseContentId(caseCode: string): string;
  export function isCase(contentId: string): boolean;
  export function transactionalContentId(...parts: readonly string[]): string;
  export function isTransactional(contentId: string): boolean;
  export function digestContentId(frequency: string, day: string): string;
  export function isDigest(contentId: string): boolean;
  export function isPersonal(contentId: string): boolean;
}

export declare namespace subjects {
  export function content(unit: string, kind: ContentKind): string;
  export function publication(topic: string, contentId: string): string;
  export function caseUpdated(unit: string): string;
  export type ContentKind = "submitted" | "corrected" | "withdrawn";
}

export declare class Denied extends ContractError {
    constructor(error: FieldError);
}

export interface Accepted {
    readonly outcome: "accepted";
    readonly eventId: string;
    readonly contentId: string;
    readonly revision: number | null;
    readonly duplicate: boolean | null;
    readonly trial: boolean;
    readonly warnings: readonly FieldWarning[];
}

export interface Drained {
    readonly accepted: readonly Accepted[];
    readonly refused: readonly string[];
    readonly left: number;
    readonly denied: readonly string[];
}

export type GivenEvent = LoaEvent | Uint8Array | string;

export declare class Publisher {
    refusal: ContractError | null;
    readonly unit: string;
    publish(event: GivenEvent): Promise<Accepted | Spooled>;
    drain(): Promise<Drained>;
    close(): Promise<void>;
}

export interface PublisherOptions {
    readonly unit: string;
    readonly spool?: string;
    readonly vocabulary?: Vocabulary;
    readonly patienceS?: number;
}

export interface Spooled {
    readonly outcome: "spooled";
    readonly eventId: string;
    readonly contentId: string;
    readonly revision: number | null;
    readonly path: string;
    readonly warnings: readonly FieldWarning[];
}

export interface Audience {
    readonly name: string;
    readonly english: string;
}

export interface Province {
    readonly name: string;
    readonly code: string;
}

export interface Series {
    readonly name: string;
    readonly english: string;
    readonly unit: string;
    readonly topic: string;
}

export interface Topic {
    readonly name: string;
    readonly english: string;
    readonly kind: "core" | "optional" | "system";
    readonly own: boolean;
}

export interface Unit {
    readonly name: string;
    readonly english: string;
    readonly until: string | null;
    readonly formerly: readonly {
        readonly id: string | null;
        readonly name: string;
        readonly until: string;
    }[];
}

export interface Vocabulary {
    readonly units: Readonly<Record<string, Unit>>;
    readonly topics: Readonly<Record<string, Topic>>;
    readonly audiences: Readonly<Record<string, Audience>>;
    readonly bulletins: Readonly<Record<string, Series>>;
}

export declare const PROVINCES: Readonly<Record<string, Province>>;

export declare const VOCABULARY: Vocabulary;

export interface Attachment {
    readonly url: string;
    readonly title: string;
    readonly media_type?: string | null;
    readonly size?: number | null;
}

export interface Broadcast {
    readonly enabled?: boolean;
    readonly ages?: readonly ("0-12" | "13-17" | "18-24" | "25-34" | "35-44" | "45-54" | "55-64" | "65+")[];
    readonly gender?: "all" | "male" | "female";
    readonly regions?: readonly ("north" | "central" | "south")[];
    readonly provinces?: readonly string[];
    readonly also?: readonly string[];
}

export interface BulletinAmendment {
    readonly content_id: string;
    readonly revision: number;
    readonly title: string;
    readonly change: "corrected" | "withdrawn";
    readonly reason?: string;
}

export interface BulletinEntry {
    readonly content_id: string;
    readonly revision: number;
    readonly title: string;
    readonly text?: string;
}

export interface BulletinIssue {
    readonly series: string;
    readonly year: number;
    readonly number: number;
    readonly first_day: string;
    readonly last_day: string;
    readonly gathered_until: string;
    readonly introduction?: string;
    readonly sections?: readonly BulletinSection[];
    readonly amendments?: readonly BulletinAmendment[];
    readonly masthead?: string;
    readonly compiled_by?: string | null;
}

export interface BulletinSection {
    readonly id: string;
    readonly name: string;
    readonly entries?: readonly BulletinEntry[];
}

export interface CampaignPlan {
    readonly purpose: string;
    readonly first_day: string;
    readonly last_day: string;
    readonly partners?: readonly string[];
    readonly entries?: readonly PlannedItem[];
    readonly targets?: readonly Target[];
}

export type ChannelName = "portal" | "email" | "zalo";

export interface Cover {
    readonly url: string;
    readonly alt: string;
}

export interface Interruption {
    readonly services: readonly string[];
    readonly begins_at: string;
    readonly expected_recovery_at: string;
    readonly cause: string;
    readonly alternative: string;
    readonly force_majeure?: string | null;
    readonly resumed_at?: string | null;
}

export interface Link {
    readonly url: string;
    readonly title: string;
}

export interface PlannedItem {
    readonly number: number;
    readonly title: string;
    readonly day: string;
    readonly unit?: string | null;
    readonly channel?: ChannelName | null;
}

export interface Target {
    readonly metric: "items" | "delivered" | "opinions";
    readonly number: number;
}

export interface Submitted {
    readonly content_id: string;
    readonly revision: number;
    readonly topic: string;
    readonly title: string;
    readonly short_title?: string | null;
    readonly summary?: string;
    readonly language?: string;
    readonly author?: string | null;
    readonly cover?: Cover | null;
    readonly links?: readonly Link[] | null;
    readonly attachments?: readonly Attachment[] | null;
    readonly audiences?: readonly string[];
    readonly channels?: readonly ChannelName[];
    readonly lane?: "urgent" | "normal" | "bulk";
    readonly not_before?: string | null;
    readonly expires_at?: string | null;
    readonly broadcast?: Broadcast | null;
    readonly bulletin?: BulletinIssue | null;
    readonly campaign?: string | null;
    readonly interruption?: Interruption | null;
    readonly body: string;
    readonly campaign_entry?: number | null;
    readonly campaign_plan?: CampaignPlan | null;
}

export interface Corrected {
    readonly content_id: string;
    readonly revision: number;
    readonly topic: string;
    readonly title: string;
    readonly short_title?: string | null;
    readonly summary?: string;
    readonly language?: string;
    readonly author?: string | null;
    readonly cover?: Cover | null;
    readonly links?: readonly Link[] | null;
    readonly attachments?: readonly Attachment[] | null;
    readonly audiences?: readonly string[];
    readonly channels?: readonly ChannelName[];
    readonly lane?: "urgent" | "normal" | "bulk";
    readonly not_before?: string | null;
    readonly expires_at?: string | null;
    readonly broadcast?: Broadcast | null;
    readonly bulletin?: BulletinIssue | null;
    readonly campaign?: string | null;
    readonly interruption?: Interruption | null;
    readonly body: string;
    readonly campaign_entry?: number | null;
    readonly campaign_plan?: CampaignPlan | null;
    readonly corrects_revision: number;
    readonly reason?: string;
}

export interface Withdrawn {
    readonly content_id: string;
    readonly reason: string;
    readonly title?: string | null;
    readonly short_title?: string | null;
}

export interface Contact {
    readonly email?: string | null;
    readonly phone?: string | null;
    readonly zalo_user_id?: string | null;
    readonly consent: boolean;
}

export interface CaseUpdated {
    readonly notice?: "status" | "apology";
    readonly case_code: string;
    readonly procedure_code: string;
    readonly procedure_name: string;
    readonly authority: string;
    readonly receiving_unit: string;
    readonly status: number;
    readonly occurred_at: string;
    readonly applicant_name: string;
    readonly applicant_kind: "citizen" | "business" | "household";
    readonly authorised_person?: string | null;
    readonly submitted_at?: string | null;
    readonly received_at?: string | null;
    readonly received_by?: string | null;
    readonly handled_by?: string | null;
    readonly due_at?: string | null;
    readonly documents?: readonly string[] | null;
    readonly documents_due_at?: string | null;
    readonly fee?: number | null;
    readonly payment_place?: string | null;
    readonly pickup?: string | null;
    readonly reason?: string | null;
    readonly new_due_at?: string | null;
    readonly detail_url?: string | null;
    readonly contact: Contact;
}

export interface Publication {
    readonly content_id: string;
    readonly revision: number;
    readonly topic: string;
    readonly title: string;
    readonly short_title?: string | null;
    readonly summary?: string;
    readonly language?: string;
    readonly author?: string | null;
    readonly cover?: Cover | null;
    readonly links?: readonly Link[] | null;
    readonly attachments?: readonly Attachment[] | null;
    readonly audiences?: readonly string[];
    readonly channels?: readonly ChannelName[];
    readonly lane?: "urgent" | "normal" | "bulk";
    readonly not_before?: string | null;
    readonly expires_at?: string | null;
    readonly broadcast?: Broadcast | null;
    readonly bulletin?: BulletinIssue | null;
    readonly campaign?: string | null;
    readonly interruption?: Interruption | null;
    readonly action: "published" | "corrected" | "withdrawn";
    readonly unit: string;
    readonly body?: string;
    readonly reason?: string;
    readonly first_released_at: string;
    readonly released_at: string;
    readonly event_id: string;
}

export interface EventAccepted {
    readonly event_id: string;
    readonly content_id: string;
    readonly revision: number | null;
    readonly status_url: string;
    readonly warnings?: readonly FieldWarning[];
    readonly trial?: boolean;
}

export interface BatchAccepted {
    readonly events: readonly EventAccepted[];
}

export interface ExpectedEvent {
    readonly event_id: string;
    readonly content_id: string;
    readonly revision: number | null;
    readonly is_known: boolean;
    readonly refusals: readonly FieldError[];
    readonly warnings: readonly FieldWarning[];
    readonly release: "automatic" | "desk" | "rule" | null;
    readonly lane: string | null;
    readonly channels: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly previews: Readonly<Record<string, string>>;
}

export interface Quota {
    readonly per_minute: number;
    readonly at_once: number;
    readonly left: number;
}

export interface DryRun {
    readonly dry_run: true;
    readonly events: readonly ExpectedEvent[];
    readonly quota: Quota;
    readonly trial?: boolean;
}

export interface Happening {
    readonly at: string;
    readonly event: string;
    readonly channel?: string | null;
    readonly detail?: string;
    readonly errors?: readonly FieldError[];
    readonly warnings?: readonly FieldWarning[];
}

export interface Status {
    readonly content_id: string;
    readonly revision: number | null;
    readonly state: string;
    readonly channels: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly timeline: readonly Happening[];
    readonly trial?: boolean;
    readonly previews?: Readonly<Record<string, string>>;
}

export interface Problem {
    readonly type: string;
    readonly title: string;
    readonly title_vi: string;
    readonly status: number;
    readonly detail: string;
    readonly detail_vi: string;
    readonly instance: string;
    readonly errors: readonly FieldError[];
    readonly trial?: boolean;
}

export interface Attributes {
    readonly specversion: "1.0";
    readonly id: string;
    readonly source: string;
    readonly subject?: string | null;
    readonly time?: string | null;
    readonly datacontenttype?: string | null;
    readonly dataschema?: string | null;
    readonly [extension: string]: unknown;
}

export interface SubmittedEvent extends Attributes {
    readonly type: "vn.gov.moha.content.submitted.v1";
    readonly data: Submitted;
}

export interface CorrectedEvent extends Attributes {
    readonly type: "vn.gov.moha.content.corrected.v1";
    readonly data: Corrected;
}

export interface WithdrawnEvent extends Attributes {
    readonly type: "vn.gov.moha.content.withdrawn.v1";
    readonly data: Withdrawn;
}

export interface CaseUpdatedEvent extends Attributes {
    readonly type: "vn.gov.moha.case.updated.v1";
    readonly data: CaseUpdated;
}

export type LoaEvent = SubmittedEvent | CorrectedEvent | WithdrawnEvent | CaseUpdatedEvent;
