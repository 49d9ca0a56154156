// Written by `python -m clients.typescript.generate`; do not edit.

import type { Schema } from "../schemaCheck.js";

export const PATTERNS = {
 "id": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
 "line": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
 "text": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
 "mobile": "^84[35789]\\d{8}$",
 "case_code": "^(?:\\d{3}\\.\\d{2}\\.\\d{2}\\.)?[A-Y]\\d{2}(?:\\.[0-9A-Z]+)*-\\d{6}(?:\\d{2})?-\\d{4,7}$"
} as const;

export const CLOUDEVENT: Schema = {
 "properties": {
  "specversion": {
   "const": "1.0",
   "type": "string"
  },
  "id": {
   "maxLength": 256,
   "minLength": 1,
   "type": "string"
  },
  "source": {
   "format": "uri-reference",
   "maxLength": 512,
   "minLength": 1,
   "type": "string"
  },
  "type": {
   "maxLength": 256,
   "minLength": 1,
   "type": "string"
  },
  "subject": {
   "anyOf": [
    {
     "maxLength": 256,
     "minLength": 1,
     "type": "string"
    },
    {
     "type": "null"
    }
   ],
   "default": null
  },
  "time": {
   "anyOf": [
    {
     "format": "date-time",
     "type": "string"
    },
    {
     "type": "null"
    }
   ],
   "default": null
  },
  "datacontenttype": {
   "anyOf": [
    {
     "maxLength": 256,
     "minLength": 1,
     "type": "string"
    },
    {
     "type": "null"
    }
   ],
   "default": null
  },
  "dataschema": {
   "anyOf": [
    {
     "format": "uri-reference",
     "maxLength": 512,
     "minLength": 1,
     "type": "string"
    },
    {
     "type": "null"
    }
   ],
   "default": null
  },
  "data": {
   "additionalProperties": true,
   "type": "object"
  }
 },
 "required": [
  "specversion",
  "id",
  "source",
  "type",
  "data"
 ],
 "type": "object",
 "title": "CloudEvent"
};

export const SCHEMAS: Readonly<Record<"vn.gov.moha.content.submitted.v1" | "vn.gov.moha.content.corrected.v1" | "vn.gov.moha.content.withdrawn.v1" | "vn.gov.moha.case.updated.v1", Schema>> = {
 "vn.gov.moha.content.submitted.v1": {
  "$defs": {
   "Attachment": {
    "properties": {
     "url": {
      "format": "uri",
      "maxLength": 2048,
      "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\\[\\]-~]+(?:/[!-~]*)?$",
      "type": "string"
     },
     "title": {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "media_type": {
      "anyOf": [
       {
        "maxLength": 120,
        "pattern": "^[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "size": {
      "anyOf": [
       {
        "maximum": 9007199254740991,
        "minimum": 0,
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "url",
     "title"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Attachment"
   },
   "Broadcast": {
    "properties": {
     "enabled": {
      "default": true,
      "type": "boolean"
     },
     "ages": {
      "default": [],
      "items": {
       "enum": [
        "0-12",
        "13-17",
        "18-24",
        "25-34",
        "35-44",
        "45-54",
        "55-64",
        "65+"
       ],
       "type": "string"
      },
      "maxItems": 8,
      "type": "array",
      "uniqueItems": true
     },
     "gender": {
      "default": "all",
      "enum": [
       "all",
       "male",
       "female"
      ],
      "type": "string"
     },
     "regions": {
      "default": [],
      "items": {
       "enum": [
        "north",
        "central",
        "south"
       ],
       "type": "string"
      },
      "maxItems": 3,
      "type": "array",
      "uniqueItems": true
     },
     "provinces": {
      "default": [],
      "items": {
       "maxLength": 64,
       "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
       "type": "string",
       "format": "province"
      },
      "maxItems": 34,
      "type": "array",
      "uniqueItems": true
     },
     "also": {
      "default": [],
      "items": {
       "maxLength": 64,
       "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
       "type": "string"
      },
      "maxItems": 4,
      "type": "array",
      "uniqueItems": true
     }
    },
    "type": "object",
    "additionalProperties": false,
    "title": "Broadcast"
   },
   "BulletinAmendment": {
    "properties": {
     "content_id": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "revision": {
      "maximum": 2147483647,
      "minimum": 1,
      "type": "integer"
     },
     "title": {
      "maxLength": 300,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "change": {
      "enum": [
       "corrected",
       "withdrawn"
      ],
      "type": "string"
     },
     "reason": {
      "default": "",
      "maxLength": 500,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "content_id",
     "revision",
     "title",
     "change"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinAmendment"
   },
   "BulletinEntry": {
    "properties": {
     "content_id": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "revision": {
      "maximum": 2147483647,
      "minimum": 1,
      "type": "integer"
     },
     "title": {
      "maxLength": 300,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "text": {
      "default": "",
      "maxLength": 500,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "content_id",
     "revision",
     "title"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinEntry"
   },
   "BulletinIssue": {
    "properties": {
     "series": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "year": {
      "maximum": 2200,
      "minimum": 2000,
      "type": "integer"
     },
     "number": {
      "maximum": 999,
      "minimum": 1,
      "type": "integer"
     },
     "first_day": {
      "format": "date",
      "type": "string"
     },
     "last_day": {
      "format": "date",
      "type": "string"
     },
     "gathered_until": {
      "format": "date-time",
      "type": "string"
     },
     "introduction": {
      "default": "",
      "maxLength": 4000,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
      "type": "string"
     },
     "sections": {
      "default": [],
      "items": {
       "$ref": "#/$defs/BulletinSection"
      },
      "type": "array"
     },
     "amendments": {
      "default": [],
      "items": {
       "$ref": "#/$defs/BulletinAmendment"
      },
      "type": "array"
     },
     "masthead": {
      "default": "",
      "maxLength": 500,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "compiled_by": {
      "anyOf": [
       {
        "maxLength": 150,
        "minLength": 1,
        "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "series",
     "year",
     "number",
     "first_day",
     "last_day",
     "gathered_until"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinIssue"
   },
   "BulletinSection": {
    "properties": {
     "id": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "name": {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "entries": {
      "default": [],
      "items": {
       "$ref": "#/$defs/BulletinEntry"
      },
      "type": "array"
     }
    },
    "required": [
     "id",
     "name"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinSection"
   },
   "CampaignPlan": {
    "properties": {
     "purpose": {
      "maxLength": 4000,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
      "type": "string"
     },
     "first_day": {
      "format": "date",
      "type": "string"
     },
     "last_day": {
      "format": "date",
      "type": "string"
     },
     "partners": {
      "default": [],
      "items": {
       "maxLength": 64,
       "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
       "type": "string"
      },
      "maxItems": 30,
      "type": "array",
      "uniqueItems": true
     },
     "entries": {
      "default": [],
      "items": {
       "$ref": "#/$defs/PlannedItem"
      },
      "maxItems": 100,
      "type": "array"
     },
     "targets": {
      "default": [],
      "items": {
       "$ref": "#/$defs/Target"
      },
      "maxItems": 3,
      "type": "array"
     }
    },
    "required": [
     "purpose",
     "first_day",
     "last_day"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "CampaignPlan"
   },
   "ChannelName": {
    "enum": [
     "portal",
     "email",
     "zalo"
    ],
    "type": "string",
    "title": "ChannelName"
   },
   "Cover": {
    "properties": {
     "url": {
      "format": "uri",
      "maxLength": 2048,
      "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\\[\\]-~]+(?:/[!-~]*)?$",
      "type": "string"
     },
     "alt": {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "url",
     "alt"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Cover"
   },
   "Interruption": {
    "properties": {
     "services": {
      "items": {
       "maxLength": 150,
       "minLength": 1,
       "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
       "type": "string"
      },
      "maxItems": 20,
      "minItems": 1,
      "type": "array",
      "uniqueItems": true
     },
     "begins_at": {
      "format": "date-time",
      "type": "string"
     },
     "expected_recovery_at": {
      "format": "date-time",
      "type": "string"
     },
     "cause": {
      "maxLength": 500,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "alternative": {
      "maxLength": 500,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "force_majeure": {
      "anyOf": [
       {
        "maxLength": 500,
        "minLength": 1,
        "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "resumed_at": {
      "anyOf": [
       {
        "format": "date-time",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "services",
     "begins_at",
     "expected_recovery_at",
     "cause",
     "alternative"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Interruption"
   },
   "Link": {
    "properties": {
     "url": {
      "format": "uri",
      "maxLength": 2048,
      "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\\[\\]-~]+(?:/[!-~]*)?$",
      "type": "string"
     },
     "title": {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "url",
     "title"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Link"
   },
   "PlannedItem": {
    "properties": {
     "number": {
      "maximum": 999,
      "minimum": 1,
      "type": "integer"
     },
     "title": {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "day": {
      "format": "date",
      "type": "string"
     },
     "unit": {
      "anyOf": [
       {
        "maxLength": 64,
        "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "channel": {
      "anyOf": [
       {
        "$ref": "#/$defs/ChannelName"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "number",
     "title",
     "day"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "PlannedItem"
   },
   "Target": {
    "properties": {
     "metric": {
      "enum": [
       "items",
       "delivered",
       "opinions"
      ],
      "type": "string"
     },
     "number": {
      "maximum": 9007199254740991,
      "minimum": 1,
      "type": "integer"
     }
    },
    "required": [
     "metric",
     "number"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Target"
   }
  },
  "properties": {
   "content_id": {
    "maxLength": 64,
    "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
    "type": "string"
   },
   "revision": {
    "maximum": 2147483647,
    "minimum": 1,
    "type": "integer"
   },
   "topic": {
    "maxLength": 64,
    "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
    "type": "string"
   },
   "title": {
    "maxLength": 300,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
    "type": "string"
   },
   "short_title": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "summary": {
    "default": "",
    "maxLength": 500,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
    "type": "string"
   },
   "language": {
    "default": "vi",
    "pattern": "^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$",
    "type": "string"
   },
   "author": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "cover": {
    "anyOf": [
     {
      "$ref": "#/$defs/Cover"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "links": {
    "default": [],
    "items": {
     "$ref": "#/$defs/Link"
    },
    "maxItems": 20,
    "type": [
     "array",
     "null"
    ]
   },
   "attachments": {
    "default": [],
    "items": {
     "$ref": "#/$defs/Attachment"
    },
    "maxItems": 20,
    "type": [
     "array",
     "null"
    ]
   },
   "audiences": {
    "default": [],
    "items": {
     "maxLength": 64,
     "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
     "type": "string"
    },
    "maxItems": 50,
    "type": "array",
    "uniqueItems": true
   },
   "channels": {
    "default": [
     "portal",
     "email",
     "zalo"
    ],
    "items": {
     "$ref": "#/$defs/ChannelName"
    },
    "maxItems": 3,
    "minItems": 1,
    "type": "array",
    "uniqueItems": true
   },
   "lane": {
    "default": "normal",
    "enum": [
     "urgent",
     "normal",
     "bulk"
    ],
    "type": "string"
   },
   "not_before": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "expires_at": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "broadcast": {
    "anyOf": [
     {
      "$ref": "#/$defs/Broadcast"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "bulletin": {
    "anyOf": [
     {
      "$ref": "#/$defs/BulletinIssue"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "campaign": {
    "anyOf": [
     {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "interruption": {
    "anyOf": [
     {
      "$ref": "#/$defs/Interruption"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "body": {
    "maxLength": 100000,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
    "type": "string"
   },
   "campaign_entry": {
    "anyOf": [
     {
      "maximum": 999,
      "minimum": 1,
      "type": "integer"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "campaign_plan": {
    "anyOf": [
     {
      "$ref": "#/$defs/CampaignPlan"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   }
  },
  "required": [
   "content_id",
   "revision",
   "topic",
   "title",
   "body"
  ],
  "type": "object",
  "additionalProperties": false,
  "title": "Submitted"
 },
 "vn.gov.moha.content.corrected.v1": {
  "$defs": {
   "Attachment": {
    "properties": {
     "url": {
      "format": "uri",
      "maxLength": 2048,
      "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\\[\\]-~]+(?:/[!-~]*)?$",
      "type": "string"
     },
     "title": {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "media_type": {
      "anyOf": [
       {
        "maxLength": 120,
        "pattern": "^[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "size": {
      "anyOf": [
       {
        "maximum": 9007199254740991,
        "minimum": 0,
        "type": "integer"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "url",
     "title"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Attachment"
   },
   "Broadcast": {
    "properties": {
     "enabled": {
      "default": true,
      "type": "boolean"
     },
     "ages": {
      "default": [],
      "items": {
       "enum": [
        "0-12",
        "13-17",
        "18-24",
        "25-34",
        "35-44",
        "45-54",
        "55-64",
        "65+"
       ],
       "type": "string"
      },
      "maxItems": 8,
      "type": "array",
      "uniqueItems": true
     },
     "gender": {
      "default": "all",
      "enum": [
       "all",
       "male",
       "female"
      ],
      "type": "string"
     },
     "regions": {
      "default": [],
      "items": {
       "enum": [
        "north",
        "central",
        "south"
       ],
       "type": "string"
      },
      "maxItems": 3,
      "type": "array",
      "uniqueItems": true
     },
     "provinces": {
      "default": [],
      "items": {
       "maxLength": 64,
       "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
       "type": "string",
       "format": "province"
      },
      "maxItems": 34,
      "type": "array",
      "uniqueItems": true
     },
     "also": {
      "default": [],
      "items": {
       "maxLength": 64,
       "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
       "type": "string"
      },
      "maxItems": 4,
      "type": "array",
      "uniqueItems": true
     }
    },
    "type": "object",
    "additionalProperties": false,
    "title": "Broadcast"
   },
   "BulletinAmendment": {
    "properties": {
     "content_id": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "revision": {
      "maximum": 2147483647,
      "minimum": 1,
      "type": "integer"
     },
     "title": {
      "maxLength": 300,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "change": {
      "enum": [
       "corrected",
       "withdrawn"
      ],
      "type": "string"
     },
     "reason": {
      "default": "",
      "maxLength": 500,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "content_id",
     "revision",
     "title",
     "change"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinAmendment"
   },
   "BulletinEntry": {
    "properties": {
     "content_id": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "revision": {
      "maximum": 2147483647,
      "minimum": 1,
      "type": "integer"
     },
     "title": {
      "maxLength": 300,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "text": {
      "default": "",
      "maxLength": 500,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "content_id",
     "revision",
     "title"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinEntry"
   },
   "BulletinIssue": {
    "properties": {
     "series": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "year": {
      "maximum": 2200,
      "minimum": 2000,
      "type": "integer"
     },
     "number": {
      "maximum": 999,
      "minimum": 1,
      "type": "integer"
     },
     "first_day": {
      "format": "date",
      "type": "string"
     },
     "last_day": {
      "format": "date",
      "type": "string"
     },
     "gathered_until": {
      "format": "date-time",
      "type": "string"
     },
     "introduction": {
      "default": "",
      "maxLength": 4000,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
      "type": "string"
     },
     "sections": {
      "default": [],
      "items": {
       "$ref": "#/$defs/BulletinSection"
      },
      "type": "array"
     },
     "amendments": {
      "default": [],
      "items": {
       "$ref": "#/$defs/BulletinAmendment"
      },
      "type": "array"
     },
     "masthead": {
      "default": "",
      "maxLength": 500,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "compiled_by": {
      "anyOf": [
       {
        "maxLength": 150,
        "minLength": 1,
        "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "series",
     "year",
     "number",
     "first_day",
     "last_day",
     "gathered_until"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinIssue"
   },
   "BulletinSection": {
    "properties": {
     "id": {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     "name": {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "entries": {
      "default": [],
      "items": {
       "$ref": "#/$defs/BulletinEntry"
      },
      "type": "array"
     }
    },
    "required": [
     "id",
     "name"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "BulletinSection"
   },
   "CampaignPlan": {
    "properties": {
     "purpose": {
      "maxLength": 4000,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
      "type": "string"
     },
     "first_day": {
      "format": "date",
      "type": "string"
     },
     "last_day": {
      "format": "date",
      "type": "string"
     },
     "partners": {
      "default": [],
      "items": {
       "maxLength": 64,
       "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
       "type": "string"
      },
      "maxItems": 30,
      "type": "array",
      "uniqueItems": true
     },
     "entries": {
      "default": [],
      "items": {
       "$ref": "#/$defs/PlannedItem"
      },
      "maxItems": 100,
      "type": "array"
     },
     "targets": {
      "default": [],
      "items": {
       "$ref": "#/$defs/Target"
      },
      "maxItems": 3,
      "type": "array"
     }
    },
    "required": [
     "purpose",
     "first_day",
     "last_day"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "CampaignPlan"
   },
   "ChannelName": {
    "enum": [
     "portal",
     "email",
     "zalo"
    ],
    "type": "string",
    "title": "ChannelName"
   },
   "Cover": {
    "properties": {
     "url": {
      "format": "uri",
      "maxLength": 2048,
      "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\\[\\]-~]+(?:/[!-~]*)?$",
      "type": "string"
     },
     "alt": {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "url",
     "alt"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Cover"
   },
   "Interruption": {
    "properties": {
     "services": {
      "items": {
       "maxLength": 150,
       "minLength": 1,
       "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
       "type": "string"
      },
      "maxItems": 20,
      "minItems": 1,
      "type": "array",
      "uniqueItems": true
     },
     "begins_at": {
      "format": "date-time",
      "type": "string"
     },
     "expected_recovery_at": {
      "format": "date-time",
      "type": "string"
     },
     "cause": {
      "maxLength": 500,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "alternative": {
      "maxLength": 500,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "force_majeure": {
      "anyOf": [
       {
        "maxLength": 500,
        "minLength": 1,
        "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "resumed_at": {
      "anyOf": [
       {
        "format": "date-time",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "services",
     "begins_at",
     "expected_recovery_at",
     "cause",
     "alternative"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Interruption"
   },
   "Link": {
    "properties": {
     "url": {
      "format": "uri",
      "maxLength": 2048,
      "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\\[\\]-~]+(?:/[!-~]*)?$",
      "type": "string"
     },
     "title": {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     }
    },
    "required": [
     "url",
     "title"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Link"
   },
   "PlannedItem": {
    "properties": {
     "number": {
      "maximum": 999,
      "minimum": 1,
      "type": "integer"
     },
     "title": {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     "day": {
      "format": "date",
      "type": "string"
     },
     "unit": {
      "anyOf": [
       {
        "maxLength": 64,
        "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "channel": {
      "anyOf": [
       {
        "$ref": "#/$defs/ChannelName"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     }
    },
    "required": [
     "number",
     "title",
     "day"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "PlannedItem"
   },
   "Target": {
    "properties": {
     "metric": {
      "enum": [
       "items",
       "delivered",
       "opinions"
      ],
      "type": "string"
     },
     "number": {
      "maximum": 9007199254740991,
      "minimum": 1,
      "type": "integer"
     }
    },
    "required": [
     "metric",
     "number"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Target"
   }
  },
  "properties": {
   "content_id": {
    "maxLength": 64,
    "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
    "type": "string"
   },
   "revision": {
    "exclusiveMinimum": 1,
    "maximum": 2147483647,
    "minimum": 1,
    "type": "integer"
   },
   "topic": {
    "maxLength": 64,
    "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
    "type": "string"
   },
   "title": {
    "maxLength": 300,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
    "type": "string"
   },
   "short_title": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "summary": {
    "default": "",
    "maxLength": 500,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
    "type": "string"
   },
   "language": {
    "default": "vi",
    "pattern": "^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$",
    "type": "string"
   },
   "author": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "cover": {
    "anyOf": [
     {
      "$ref": "#/$defs/Cover"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "links": {
    "default": [],
    "items": {
     "$ref": "#/$defs/Link"
    },
    "maxItems": 20,
    "type": [
     "array",
     "null"
    ]
   },
   "attachments": {
    "default": [],
    "items": {
     "$ref": "#/$defs/Attachment"
    },
    "maxItems": 20,
    "type": [
     "array",
     "null"
    ]
   },
   "audiences": {
    "default": [],
    "items": {
     "maxLength": 64,
     "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
     "type": "string"
    },
    "maxItems": 50,
    "type": "array",
    "uniqueItems": true
   },
   "channels": {
    "default": [
     "portal",
     "email",
     "zalo"
    ],
    "items": {
     "$ref": "#/$defs/ChannelName"
    },
    "maxItems": 3,
    "minItems": 1,
    "type": "array",
    "uniqueItems": true
   },
   "lane": {
    "default": "normal",
    "enum": [
     "urgent",
     "normal",
     "bulk"
    ],
    "type": "string"
   },
   "not_before": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "expires_at": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "broadcast": {
    "anyOf": [
     {
      "$ref": "#/$defs/Broadcast"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "bulletin": {
    "anyOf": [
     {
      "$ref": "#/$defs/BulletinIssue"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "campaign": {
    "anyOf": [
     {
      "maxLength": 64,
      "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "interruption": {
    "anyOf": [
     {
      "$ref": "#/$defs/Interruption"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "body": {
    "maxLength": 100000,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0]*$",
    "type": "string"
   },
   "campaign_entry": {
    "anyOf": [
     {
      "maximum": 999,
      "minimum": 1,
      "type": "integer"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "campaign_plan": {
    "anyOf": [
     {
      "$ref": "#/$defs/CampaignPlan"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "corrects_revision": {
    "maximum": 2147483647,
    "minimum": 1,
    "type": "integer"
   },
   "reason": {
    "default": "",
    "maxLength": 500,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
    "type": "string"
   }
  },
  "required": [
   "content_id",
   "revision",
   "topic",
   "title",
   "body",
   "corrects_revision"
  ],
  "type": "object",
  "additionalProperties": false,
  "title": "Corrected"
 },
 "vn.gov.moha.content.withdrawn.v1": {
  "properties": {
   "content_id": {
    "maxLength": 64,
    "pattern": "^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
    "type": "string"
   },
   "reason": {
    "maxLength": 500,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
    "type": "string"
   },
   "title": {
    "anyOf": [
     {
      "maxLength": 300,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "short_title": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   }
  },
  "required": [
   "content_id",
   "reason"
  ],
  "type": "object",
  "additionalProperties": false,
  "title": "Withdrawn"
 },
 "vn.gov.moha.case.updated.v1": {
  "$defs": {
   "Contact": {
    "properties": {
     "email": {
      "anyOf": [
       {
        "format": "email",
        "maxLength": 254,
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "phone": {
      "anyOf": [
       {
        "pattern": "^84[35789]\\d{8}$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "zalo_user_id": {
      "anyOf": [
       {
        "pattern": "^[0-9]{1,30}$",
        "type": "string"
       },
       {
        "type": "null"
       }
      ],
      "default": null
     },
     "consent": {
      "type": "boolean"
     }
    },
    "required": [
     "consent"
    ],
    "type": "object",
    "additionalProperties": false,
    "title": "Contact"
   }
  },
  "allOf": [
   {
    "if": {
     "properties": {
      "status": {
       "const": 1
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "submitted_at": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "submitted_at"
     ]
    }
   },
   {
    "if": {
     "properties": {
      "status": {
       "const": 2
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "due_at": {
       "not": {
        "type": "null"
       }
      },
      "pickup": {
       "not": {
        "type": "null"
       }
      },
      "received_at": {
       "not": {
        "type": "null"
       }
      },
      "received_by": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "due_at",
      "pickup",
      "received_at",
      "received_by"
     ]
    }
   },
   {
    "if": {
     "properties": {
      "status": {
       "const": 3
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "reason": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "reason"
     ]
    }
   },
   {
    "if": {
     "properties": {
      "status": {
       "const": 4
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "due_at": {
       "not": {
        "type": "null"
       }
      },
      "handled_by": {
       "not": {
        "type": "null"
       }
      },
      "received_at": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "due_at",
      "handled_by",
      "received_at"
     ]
    }
   },
   {
    "if": {
     "properties": {
      "status": {
       "const": 5
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "documents": {
       "not": {
        "type": "null"
       }
      },
      "documents_due_at": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "documents",
      "documents_due_at"
     ]
    }
   },
   {
    "if": {
     "properties": {
      "status": {
       "const": 6
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "fee": {
       "not": {
        "type": "null"
       }
      },
      "payment_place": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "fee",
      "payment_place"
     ]
    }
   },
   {
    "if": {
     "properties": {
      "status": {
       "const": 8
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "reason": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "reason"
     ]
    }
   },
   {
    "if": {
     "properties": {
      "status": {
       "const": 9
      }
     },
     "required": [
      "status"
     ]
    },
    "then": {
     "properties": {
      "pickup": {
       "not": {
        "type": "null"
       }
      }
     },
     "required": [
      "pickup"
     ]
    }
   }
  ],
  "properties": {
   "notice": {
    "default": "status",
    "enum": [
     "status",
     "apology"
    ],
    "type": "string"
   },
   "case_code": {
    "maxLength": 60,
    "pattern": "^(?:\\d{3}\\.\\d{2}\\.\\d{2}\\.)?[A-Y]\\d{2}(?:\\.[0-9A-Z]+)*-\\d{6}(?:\\d{2})?-\\d{4,7}$",
    "type": "string"
   },
   "procedure_code": {
    "maxLength": 30,
    "pattern": "^[0-9A-Z]+(?:\\.[0-9A-Z]+)*$",
    "type": "string"
   },
   "procedure_name": {
    "maxLength": 500,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
    "type": "string"
   },
   "authority": {
    "maxLength": 250,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
    "type": "string"
   },
   "receiving_unit": {
    "maxLength": 35,
    "pattern": "^(?:[A-Y]\\d{2}(?:\\.[0-9A-Z]+)*|\\d{3}\\.\\d{2}\\.\\d{2}\\.[A-Y]\\d{2})$",
    "type": "string"
   },
   "status": {
    "maximum": 10,
    "minimum": 1,
    "type": "integer"
   },
   "occurred_at": {
    "format": "date-time",
    "type": "string"
   },
   "applicant_name": {
    "maxLength": 150,
    "minLength": 1,
    "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
    "type": "string"
   },
   "applicant_kind": {
    "enum": [
     "citizen",
     "business",
     "household"
    ],
    "type": "string"
   },
   "authorised_person": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "submitted_at": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "received_at": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "received_by": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "handled_by": {
    "anyOf": [
     {
      "maxLength": 150,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "due_at": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "documents": {
    "anyOf": [
     {
      "items": {
       "maxLength": 250,
       "minLength": 1,
       "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
       "type": "string"
      },
      "maxItems": 30,
      "type": "array"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "documents_due_at": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "fee": {
    "anyOf": [
     {
      "maximum": 9007199254740991,
      "minimum": 0,
      "type": "integer"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "payment_place": {
    "anyOf": [
     {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "pickup": {
    "anyOf": [
     {
      "maxLength": 250,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "reason": {
    "anyOf": [
     {
      "maxLength": 500,
      "minLength": 1,
      "pattern": "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufffd\\u00d0\\t\\n\\r\\u2028\\u2029]*$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "new_due_at": {
    "anyOf": [
     {
      "format": "date-time",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "detail_url": {
    "anyOf": [
     {
      "format": "uri",
      "maxLength": 2048,
      "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-.0-?A-\\[\\]-~]+(?:/[!-~]*)?$",
      "type": "string"
     },
     {
      "type": "null"
     }
    ],
    "default": null
   },
   "contact": {
    "$ref": "#/$defs/Contact"
   }
  },
  "required": [
   "case_code",
   "procedure_code",
   "procedure_name",
   "authority",
   "receiving_unit",
   "status",
   "occurred_at",
   "applicant_name",
   "applicant_kind",
   "contact"
  ],
  "type": "object",
  "additionalProperties": false,
  "title": "CaseUpdated"
 }
};
