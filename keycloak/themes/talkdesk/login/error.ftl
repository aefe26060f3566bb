<#-- What Keycloak shows when it can't go on. Three kinds: nobody is signed on (the last step of the browser flow), the
     name is taken (the guard of the first login), and everything else, in plain words with Keycloak's own message small. -->
<#import "template.ftl" as layout>
<#assign openFromTalkdesk = message?has_content && message.summary == msg("talkdeskOpenFromTalkdesk")>
<#-- The realm says where; a realm that doesn't has the key itself as text. -->
<#assign canResume = openFromTalkdesk && msg("talkdeskResumeUrl")?matches("https?://.+")>
<#-- Who came by an app goes on without a click. A launch that ended here would only come back: it stays. -->
<#assign goesOn = canResume && !(client?? && client.clientId == "talkdesk-launch")>
<#assign accountTaken = message?has_content && message.summary == msg("talkdeskAccountTaken")>
<@layout.registrationLayout strict=true displayMessage=false; section>
    <#if section = "header"><#if openFromTalkdesk>${msg("talkdeskOpenTitle")}<#elseif accountTaken>${msg("talkdeskTakenTitle")}<#else>${msg("talkdeskErrorTitle")}</#if><#t>
    <#elseif section = "head">
        <#if goesOn><meta http-equiv="refresh" content="0;url=${msg("talkdeskResumeUrl")}"></#if><#t>
    <#elseif section = "form">
        <#if openFromTalkdesk>
        <div id="open-from-talkdesk">
            <p>${message.summary}</p>
            <ol>
                <li>${msg("talkdeskOpenStep1")}</li>
                <li>${msg("talkdeskOpenStep2")}</li>
            </ol>
            <#if canResume>
            <p><a class="button" href="${msg("talkdeskResumeUrl")}">${msg("talkdeskResume")}</a></p>
            <p class="small">${msg("talkdeskResumeHint")}</p>
            </#if>
        </div>
        <#elseif accountTaken>
        <div id="account-taken">
            <p>${message.summary}</p>
            <p>${msg("talkdeskAskAdministrator")}</p>
        </div>
        <#else>
        <div id="kc-error-message">
            <p>${msg("talkdeskErrorText")}</p>
            <p>${msg("talkdeskErrorAgain")}</p>
            <#if message?has_content>
            <p class="small">${msg("talkdeskErrorDetail")} <span id="detail">${message.summary}</span></p>
            </#if>
            <#if traceId??>
            <p class="small">${msg("traceIdSupportMessage", traceId)}</p>
            </#if>
        </div>
        </#if>
    </#if>
</@layout.registrationLayout>
