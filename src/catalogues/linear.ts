import type { Catalogue } from "../domain/tenant.ts";

const ENDPOINT = { path: "/graphql" } as const;
/** No path tells these operations apart. */
const BY_BODY = { routes: [] } as const;

/** How lists are taken apart. */
const LISTS = [
  "nodes",
  "edges",
  "node",
  "cursor",
  "pageInfo",
  "hasNextPage",
  "hasPreviousPage",
  "startCursor",
  "endCursor",
];
/** What most things have. */
const COMMON = ["id", "createdAt", "updatedAt", "archivedAt", "url"];
/** Who did something. Not `email`, nor what lets somebody in: `inviteHash`, `calendarHash`. */
const PEOPLE = ["creator", "user", "name", "displayName", "avatarUrl", "active", "isMe"];
/** What an issue shows of where it belongs. A team leads to its webhooks and their secrets, which nobody names here. */
const PLACES = ["team", "key", "state", "type", "position", "color", "labels", "project", "projectMilestone", "cycle"];
const ISSUE = [
  "identifier",
  "number",
  "title",
  "description",
  "priority",
  "priorityLabel",
  "estimate",
  "sortOrder",
  "assignee",
  "parent",
  "children",
  "relations",
  "inverseRelations",
  "issue",
  "relatedIssue",
  "subscribers",
  "labelIds",
  "branchName",
  "dueDate",
  "startedAt",
  "completedAt",
  "canceledAt",
  "triagedAt",
  "previousIdentifiers",
];
const COMMENT = [
  "comments",
  "comment",
  "body",
  "editedAt",
  "resolvedAt",
  "resolvingUser",
  "quotedText",
  "reactions",
  "emoji",
];
const ATTACHMENT = ["attachments", "attachment", "subtitle", "sourceType", "metadata"];
const PROJECT = [
  "slugId",
  "content",
  "icon",
  "lead",
  "members",
  "teams",
  "status",
  "progress",
  "scope",
  "health",
  "startDate",
  "targetDate",
  "projectMilestones",
  "projectUpdates",
  "projectUpdate",
  "lastUpdate",
];
const CYCLE = ["startsAt", "endsAt", "isActive", "isNext", "isPrevious"];

const ISSUES = [...LISTS, ...COMMON, ...PEOPLE, ...PLACES, ...ISSUE, ...COMMENT, ...ATTACHMENT];
/** What a mutation tells of itself. */
const OUTCOME = ["success", "lastSyncId"];

/**
 * Operations of Linear's GraphQL API. Every one reaches all teams that the credential does: Linear has
 * no field whose arguments alone say in which team it works. What a field may show is bounded instead.
 */
export const linear: Catalogue = {
  operations: {
    "issues:read": {
      ...BY_BODY,
      access: "read",
      title: "Read and search issues, with their comments, labels and attachments",
      graphql: {
        ...ENDPOINT,
        query: [
          "issue",
          "issues",
          "searchIssues",
          "issueVcsBranchSearch",
          "issuePriorityValues",
          "issueLabel",
          "issueLabels",
          "issueRelation",
          "issueRelations",
          "comment",
          "comments",
          "attachment",
          "attachments",
          "attachmentsForURL",
        ],
        selects: [...ISSUES, "totalCount", "label"],
      },
    },
    "issues:write": {
      ...BY_BODY,
      access: "write",
      title: "Open and change issues, label, relate and subscribe to them",
      graphql: {
        ...ENDPOINT,
        mutation: [
          "issueCreate",
          "issueUpdate",
          "issueAddLabel",
          "issueRemoveLabel",
          "issueRelationCreate",
          "issueRelationUpdate",
          "issueRelationDelete",
          "issueSubscribe",
          "issueUnsubscribe",
          "issueReminder",
          "attachmentLinkURL",
          "attachmentLinkGitHubPR",
          "attachmentLinkGitHubIssue",
          "attachmentLinkSlack",
        ],
        selects: [...ISSUES, ...OUTCOME, "issueRelation"],
      },
    },
    "issues:batch": {
      ...BY_BODY,
      access: "write",
      cost: 50,
      title: "Open or change up to 50 issues with one call",
      graphql: {
        ...ENDPOINT,
        mutation: ["issueBatchCreate", "issueBatchUpdate"],
        selects: [...ISSUES, ...OUTCOME, "issues"],
      },
    },
    "issues:delete": {
      ...BY_BODY,
      access: "write",
      title: "Archive, restore and delete issues",
      graphql: {
        ...ENDPOINT,
        mutation: ["issueArchive", "issueUnarchive", "issueDelete"],
        selects: [...ISSUES, ...OUTCOME, "entity"],
      },
    },
    "comments:write": {
      ...BY_BODY,
      access: "write",
      title: "Comment on issues and projects, change, resolve and react to comments (not delete)",
      graphql: {
        ...ENDPOINT,
        mutation: ["commentCreate", "commentUpdate", "commentResolve", "commentUnresolve", "reactionCreate"],
        selects: [...ISSUES, ...OUTCOME, "reaction"],
      },
    },
    "comments:delete": {
      ...BY_BODY,
      access: "write",
      title: "Delete comments and reactions",
      graphql: { ...ENDPOINT, mutation: ["commentDelete", "reactionDelete"], selects: [...OUTCOME, "entityId"] },
    },
    "projects:read": {
      ...BY_BODY,
      access: "read",
      title: "Read and search projects, their milestones, updates and cycles",
      graphql: {
        ...ENDPOINT,
        query: [
          "project",
          "projects",
          "searchProjects",
          "projectMilestone",
          "projectMilestones",
          "projectUpdate",
          "projectUpdates",
          "projectStatus",
          "projectStatuses",
          "projectLabel",
          "projectLabels",
          "cycle",
          "cycles",
        ],
        selects: [...ISSUES, ...PROJECT, ...CYCLE, "issues", "totalCount"],
      },
    },
    "projects:write": {
      ...BY_BODY,
      access: "write",
      title: "Create and change projects and milestones, and write project updates",
      graphql: {
        ...ENDPOINT,
        mutation: [
          "projectCreate",
          "projectUpdate",
          "projectAddLabel",
          "projectRemoveLabel",
          "projectMilestoneCreate",
          "projectMilestoneUpdate",
          "projectUpdateCreate",
          "projectUpdateUpdate",
        ],
        selects: [...ISSUES, ...PROJECT, ...OUTCOME],
      },
    },
    "documents:read": {
      ...BY_BODY,
      access: "read",
      title: "Read and search documents",
      graphql: {
        ...ENDPOINT,
        query: ["document", "documents", "searchDocuments"],
        selects: [
          ...LISTS,
          ...COMMON,
          ...PEOPLE,
          "title",
          "content",
          "slugId",
          "summary",
          "icon",
          "color",
          "project",
          "updatedBy",
          "totalCount",
        ],
      },
    },
    "documents:write": {
      ...BY_BODY,
      access: "write",
      title: "Create and change documents (not delete)",
      graphql: {
        ...ENDPOINT,
        mutation: ["documentCreate", "documentUpdate"],
        selects: [...COMMON, ...PEOPLE, ...OUTCOME, "document", "title", "content", "slugId", "project"],
      },
    },
    "workspace:read": {
      ...BY_BODY,
      access: "read",
      title: "See teams, their workflow states, and people with their mail addresses",
      graphql: {
        ...ENDPOINT,
        query: ["viewer", "user", "users", "team", "teams", "workflowState", "workflowStates"],
        selects: [
          ...LISTS,
          ...COMMON,
          ...PEOPLE,
          "key",
          "description",
          "color",
          "type",
          "position",
          "team",
          "teams",
          "states",
          "members",
          "email",
          "timezone",
        ],
      },
    },
  },
};
