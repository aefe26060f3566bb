<#-- The frame of every page. Owns the document and its policy; each page gives a "header" and a "form".
     "head" is for what belongs there.
     "strict" is for pages that need no script and no frame of an app; Keycloak's own pages are not asked to be.
     What comes from outside is escaped: FreeMarker does it for all that is not marked no_esc, and nothing is. -->
<#macro registrationLayout bodyClass="" displayInfo=false displayMessage=true displayRequiredFields=false strict=false>
<!DOCTYPE html>
<html lang="${lang!"en"}">
<head>
    <meta charset="utf-8">
    <#if strict>
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'">
    </#if>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="robots" content="noindex, nofollow">
    <meta name="color-scheme" content="light dark">
    <title><#if strict><#nested "header"><#else>${realm.displayName!realm.name}</#if></title>
    <#if strict><#nested "head"></#if>
    <link rel="icon" href="${url.resourcesPath}/img/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="${url.resourcesPath}/css/talkdesk.css">
</head>
<body data-page-id="login-${pageId}">
<main>
    <h1><#nested "header"></h1>
    <#if displayMessage && message?has_content>
    <p role="alert">${message.summary}</p>
    </#if>
    <#nested "form">
    <#if displayInfo>
    <#nested "info">
    </#if>
</main>
</body>
</html>
</#macro>
